//! The settings of services.

use super::*;

fn serve(line: &str, env: &[(&str, &str)]) -> Result<Serve> {
    serve_with(line, env, &Config::default())
}

fn serve_with(line: &str, env: &[(&str, &str)], config: &Config) -> Result<Serve> {
    let line: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    Serve::ecs(&Given::new(&parse(&line)?, &env.iter().copied().collect(), config)?)
}

fn socket(path: &str) -> ServicePlace {
    ServicePlace::Socket { path: path.into(), mode: None, group: None }
}

/// The values of an entry, each with its kind, and the profile.
fn said(entry: &WantedEntry) -> (String, Option<&str>) {
    let values: Vec<String> =
        entry.demands.iter().map(|demand| format!("{:?} {}", demand.kind, demand.value)).collect();
    (values.join(", "), entry.profile.as_deref())
}

#[test]
fn maps_come_first_in_their_order_and_the_allow_options_are_one_entry() {
    let line = "serve ecs --socket /s --allow-uid web --map uid:1=a --allow-exe /a,b --map gid:2=b --allow-uid 7 \
                --allow-gid app --allow-sha256 ab --allow-cgroup /c --profile p";
    let settings = serve(line, &[]).expect("settings");
    let expected = [
        ("Uid 1".to_owned(), Some("a")),
        ("Gid 2".to_owned(), Some("b")),
        ("Uid web, Uid 7, Gid app, Exe /a,b, Sha256 ab, Cgroup /c".to_owned(), None),
    ];
    assert_eq!(settings.entries.iter().map(said).collect::<Vec<_>>(), expected);
    assert_eq!(settings.entries[2].demands[0].said, "--allow-uid web");
    assert_eq!(settings.entries[0].demands[0].said, "uid:1 in --map");
    assert_eq!((settings.common.profile.as_deref(), settings.place), (Some("p"), socket("/s")));
}

#[test]
fn the_other_settings_are_these() {
    let settings = serve("serve ecs --socket /s --allow-uid 1", &[]).expect("settings");
    let rest = (settings.endpoint, settings.by_uid, settings.duration, settings.max_connections);
    assert_eq!(rest, (Endpoint::Ecs, false, None, 64));
    let line = "serve ecs --socket /s --socket-mode 0660 --socket-group app --allow-uid 1 --bind uid --server-duration 45m \
                --max-connections 9";
    let settings = serve(line, &[]).expect("settings");
    let rest = (settings.by_uid, settings.duration, settings.max_connections);
    assert_eq!(rest, (true, Some(Duration::from_secs(2700)), 9));
    let place =
        ServicePlace::Socket { path: "/s".into(), mode: Some(0o660), group: Some(group("--socket-group", "app")) };
    assert_eq!(settings.place, place);
    let settings = serve("serve ecs --address 127.0.0.1:9911 --allow-uid 1", &[]).expect("settings");
    assert_eq!(settings.place, ServicePlace::Tcp("127.0.0.1:9911".parse().expect("an address")));
}

#[test]
fn variables_and_files_hold_lists() {
    let env = [
        ("SENTINEL_SOCKET", "/s"),
        ("SENTINEL_SOCKET_MODE", "0666"),
        ("SENTINEL_SOCKET_GROUP", "app"),
        ("SENTINEL_ALLOW_UID", "web, 7"),
        ("SENTINEL_ALLOW_GID", "app"),
        ("SENTINEL_ALLOW_EXE", "/a,b /c"),
        ("SENTINEL_ALLOW_SHA256", "ab,cd"),
        ("SENTINEL_ALLOW_CGROUP", "/c"),
        ("SENTINEL_MAP", "uid:1,exe:/x=a  gid:2=b"),
    ];
    let settings = serve("serve ecs", &env).expect("settings");
    let expected = [
        ("Uid 1, Exe /x".to_owned(), Some("a")),
        ("Gid 2".to_owned(), Some("b")),
        ("Uid web, Uid 7, Gid app, Exe /a,b, Exe /c, Sha256 ab, Sha256 cd, Cgroup /c".to_owned(), None),
    ];
    assert_eq!(settings.entries.iter().map(said).collect::<Vec<_>>(), expected);
    for flag in FLAGS.iter().filter(|flag| flag.group == super::super::super::flags::Group::Service) {
        let Some(variable) = flag.variable else { continue };
        assert!(variable == "SENTINEL_ADDRESS" || env.iter().any(|(name, _)| *name == variable), "{variable}");
    }
    let flags = serve("serve ecs --map uid:9=z --allow-uid 8", &env[..4]).expect("settings");
    let all: Vec<_> = flags.entries.iter().map(said).collect();
    assert_eq!(all, [("Uid 9".to_owned(), Some("z")), ("Uid 8".to_owned(), None)], "flags replace the variable");

    let known = super::super::super::flags::settings();
    let text = r#"{"socket": "/s", "map": ["uid:1,exe:/x=a", "gid:2=b"], "allow-uid": ["web", "7"]}"#;
    let config = Config::of_text("/c".as_ref(), text, &known, false).expect("a file");
    let settings = serve_with("serve ecs", &[], &config).expect("settings");
    let all: Vec<_> = settings.entries.iter().map(said).collect();
    assert_eq!(all[..2], expected[..2]);
    assert_eq!(all[2], ("Uid web, Uid 7".to_owned(), None));
    for (text, why) in [
        (r#"{"map": ["uid:1 =a"]}"#, "/c: `map` has an item with a blank in it"),
        (r#"{"allow-uid": ["1,2"]}"#, "/c: `allow-uid` has an item with a blank or a comma in it"),
    ] {
        let error = Config::of_text("/c".as_ref(), text, &known, false).expect_err("a wrong list");
        assert_eq!(error.summary(), why);
    }
}

#[test]
fn of_a_socket_and_an_address_the_one_that_was_said_more_strongly_counts() {
    let known = super::super::super::flags::settings();
    let file = |text: &str| Config::of_text("/c".as_ref(), text, &known, false).expect("a file");
    let place = |line: &str, env: &[(&str, &str)], config: &Config| {
        serve_with(&format!("serve ecs --allow-uid 1 {line}"), env, config).map(|settings| settings.place)
    };
    let tcp = || ServicePlace::Tcp("127.0.0.1:9911".parse().expect("an address"));
    let socket_in_file = file(r#"{"socket": "/s"}"#);
    assert_eq!(place("--address 127.0.0.1:9911", &[], &socket_in_file).ok(), Some(tcp()));
    assert_eq!(place("", &[("SENTINEL_ADDRESS", "127.0.0.1:9911")], &socket_in_file).ok(), Some(tcp()));
    assert_eq!(
        place("--socket /t", &[("SENTINEL_ADDRESS", "127.0.0.1:9911")], &socket_in_file).ok(),
        Some(socket("/t"))
    );
    let both = [("SENTINEL_SOCKET", "/s"), ("SENTINEL_ADDRESS", "127.0.0.1:9911")];
    let error = place("", &both, &Config::default()).expect_err("both");
    assert_eq!(error.summary(), "SENTINEL_SOCKET and SENTINEL_ADDRESS both say where to listen");
    let locked = Config::of_text("/c".as_ref(), r#"{"socket": "/s", "locked": ["socket"]}"#, &known, true);
    let error = place("--address 127.0.0.1:9911", &[], &locked.expect("a file")).expect_err("locked");
    assert_eq!(error.summary(), "--address is locked by /c");
}

#[test]
fn what_a_service_cannot_do_is_refused_in_these_words() {
    for (line, why) in [
        ("--allow-uid 1", "serve needs a place to listen at\n  `--socket PATH`"),
        (
            "--socket /s",
            "serve would serve nobody: nothing says whom\n  name a user with --allow-uid, or users and their profiles with --map \
             uid:USER=PROFILE",
        ),
        (
            "--socket /s --map uid:1=a --profile p",
            "--profile is for whom --allow options name, and there are none\n  add --allow-uid USER, or leave --profile out",
        ),
        (
            "--socket /s --address 127.0.0.1:1 --allow-uid 1",
            "--socket and --address both say where to listen\n  leave one out",
        ),
        (
            "--address 10.0.0.1:1 --allow-uid 1",
            "--address 10.0.0.1:1 is not a port of a loopback address\n  write it as 127.0.0.1:9911; nothing else is listened on",
        ),
        (
            "--socket /s --socket-group app --allow-uid 1",
            "--socket-group app lets nobody in without a mode that lets the group write\n  give --socket-mode 0660",
        ),
        (
            "--socket /s --socket-group app --socket-mode 0640 --allow-uid 1",
            "--socket-group app lets nobody in without a mode that lets the group write\n  give --socket-mode 0660",
        ),
        (
            "--address 127.0.0.1:1 --socket-mode 0660 --allow-uid 1",
            "--socket-mode is for a Unix socket, and --address 127.0.0.1:1 is a port\n  leave --socket-mode out: the selectors \
             say who is served",
        ),
        (
            "--address 127.0.0.1:1 --socket-group app --allow-uid 1",
            "--socket-group is for a Unix socket, and --address 127.0.0.1:1 is a port\n  leave --socket-group out: the \
             selectors say who is served",
        ),
        (
            "--socket /s --bind uid --allow-uid 1 --allow-exe /a",
            "--allow-exe /a is not known of callers with --bind uid\n  leave one of them out",
        ),
        (
            "--address 127.0.0.1:1 --bind uid --map gid:1=p",
            "gid:1 in --map is not known over TCP with --bind uid\n  use --socket, or name users",
        ),
    ] {
        let error = serve(&format!("serve ecs {line}"), &[]).expect_err(line);
        assert_eq!(error.to_string(), why);
    }
    for mode in ["777", "0700", "0400", "66", "00660", "0888", "+660", "rw"] {
        let error = serve(&format!("serve ecs --socket /s --allow-uid 1 --socket-mode {mode}"), &[]).expect_err(mode);
        assert_eq!(error.summary(), format!("--socket-mode {mode} is not a mode for a socket"));
    }
    for (variable, value, why) in [
        ("SENTINEL_MAX_CONNECTIONS", "5000", "SENTINEL_MAX_CONNECTIONS=5000 is above 4096"),
        ("SENTINEL_SOCKET_MODE", "0700", "SENTINEL_SOCKET_MODE=0700 is not a mode for a socket"),
        ("SENTINEL_ALLOW_EXE", "/b /a", "SENTINEL_ALLOW_EXE=/b is not known of callers with --bind uid"),
        ("SENTINEL_MAP", "uid:1=p uid:2", "SENTINEL_MAP=uid:2 names no profile"),
        ("SENTINEL_MAP", "exe:/a=p", "exe:/a in SENTINEL_MAP is not known of callers with --bind uid"),
    ] {
        let error = serve("serve ecs --socket /s --allow-uid 1 --bind uid", &[(variable, value)]).expect_err(value);
        assert_eq!(error.summary(), why);
    }
    let by_address = serve("serve ecs --allow-uid 1", &[("SENTINEL_ADDRESS", "0.0.0.0:1")]).expect_err("not loopback");
    assert_eq!(by_address.summary(), "SENTINEL_ADDRESS=0.0.0.0:1 is not a port of a loopback address");
    for number in ["0", "4097", "many"] {
        assert!(serve(&format!("serve ecs --socket /s --allow-uid 1 --max-connections {number}"), &[]).is_err());
    }
}

#[test]
fn the_metadata_endpoint_of_a_service_has_an_address_and_no_token_file() {
    let ec2 = |line: &str| {
        let line: Vec<OsString> = format!("serve ec2 {line}").split_whitespace().map(OsString::from).collect();
        Serve::ec2(&Given::new(&parse(&line)?, &Env::default(), &Config::default())?)
    };
    let settings = ec2("--imds-address 127.0.0.2 --hop-limit 2 --imds-v1 --allow-uid 1").expect("settings");
    let place = ServicePlace::Imds { address: "127.0.0.2:80".parse().expect("an address"), hop_limit: 2 };
    assert_eq!((settings.place, settings.endpoint), (place, Endpoint::Ec2(Imds { v1: true })));
    let error = ec2("--allow-uid 1").expect_err("no address");
    let why = "serve ec2 needs --imds-address\n  `--imds-address 169.254.169.254`, once that is on lo";
    assert_eq!(error.to_string(), why);
}
