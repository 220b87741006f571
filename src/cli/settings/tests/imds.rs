use super::*;

#[test]
fn the_metadata_endpoint_is_a_port_of_loopback_or_an_address_that_is_named() {
    let server = |line: &[&str], env: &[(&str, &str)]| read(line, env).expect("settings").server.expect("a server");
    let place = |line: &[&str], env: &[(&str, &str)]| match server(line, env).transport {
        Transport::Imds { address, hop_limit } => (address.to_string(), hop_limit),
        other => panic!("{other:?}"),
    };
    let plain = server(&["exec", "--ec2-server"], &[]);
    let transport = Transport::Imds { address: "127.0.0.1:0".parse().expect("an address"), hop_limit: 1 };
    assert_eq!(plain, Server { endpoint: Endpoint::Ec2(Imds { v1: false }), transport, ..default_server() });
    assert_eq!(server(&["exec", "--ec2-server", "--imds-v1"], &[]).endpoint, Endpoint::Ec2(Imds { v1: true }));
    for (options, expected) in [
        (&["--server-port", "81"][..], ("127.0.0.1:81", 1)),
        (&["--imds-address", "169.254.169.254"], ("169.254.169.254:80", 1)),
        (&["--imds-address", "127.0.0.2:8080", "--hop-limit", "64"], ("127.0.0.2:8080", 64)),
    ] {
        let (address, hop_limit) = place(&[&["exec", "--ec2-server"], options].concat(), &[]);
        assert_eq!((address.as_str(), hop_limit), expected);
    }
    let env = [
        ("SENTINEL_EC2_SERVER", "true"),
        ("SENTINEL_IMDS_ADDRESS", "127.0.0.3"),
        ("SENTINEL_HOP_LIMIT", "2"),
        // The address has its own.
        ("SENTINEL_SERVER_PORT", "nonsense"),
    ];
    assert_eq!(place(&["exec"], &env), ("127.0.0.3:80".to_owned(), 2));
    // A flag beats the other's variable, and a variable about this one is for other runs.
    assert_eq!(server(&["exec", "--unix-socket"], &env).transport, Transport::Unix(None));
    assert_eq!(server(&["exec", "--server", "--server-port", "1"], &env).transport, Transport::Tcp(1));
    assert_eq!(place(&["exec", "--ec2-server"], &[("SENTINEL_SERVER", "true")]).1, 1);
    assert_eq!(server(&["exec", "-s"], &[("SENTINEL_IMDS_V1", "true")]).endpoint, Endpoint::Container);
}

#[test]
fn what_does_not_go_with_the_metadata_endpoint_is_refused_with_a_sentence() {
    for (line, env, message) in [
        (
            &["exec", "--ec2-server", "--unix-socket"][..],
            &[][..],
            "--ec2-server and --unix-socket ask for two servers\n  leave one out: the metadata endpoint is a port of its own",
        ),
        (
            &["exec", "-s", "--ec2-server"],
            &[],
            "--ec2-server and --server ask for two servers\n  leave one out: the metadata endpoint is a port of its own",
        ),
        (
            &["exec"],
            &[("SENTINEL_SERVER", "1"), ("SENTINEL_EC2_SERVER", "1")],
            "SENTINEL_EC2_SERVER and SENTINEL_SERVER ask for two servers\n  \
             leave one out: the metadata endpoint is a port of its own",
        ),
        (
            &["exec", "--ec2-server", "--unix-socket-path", "/s"],
            &[],
            "--unix-socket-path does not go with --ec2-server: no SDK asks for metadata over a Unix socket",
        ),
        (
            &["exec", "--ec2-server", "--allow-fallback"],
            &[],
            "--allow-fallback does not go with --ec2-server: it serves nobody whom the kernel cannot name",
        ),
        (
            &["exec", "--ec2-server", "--imds-address", "127.0.0.1", "--server-port", "1"],
            &[],
            "--server-port does not go with --ec2-server: write the port behind the address, as 169.254.169.254:80",
        ),
        (
            &["exec", "--ec2-server"],
            &[("SENTINEL_BIND", "uid")],
            "the metadata endpoint is for the command's process tree, and not for every process of yours\n  \
             leave --bind uid (SENTINEL_BIND=uid) out: it has no secret that they would have to know",
        ),
        (
            &["exec", "--ec2-server", "--imds-address", "localhost"],
            &[],
            "--imds-address localhost is not an IPv4 address\n  write it as 169.254.169.254 or 127.0.0.1:8080",
        ),
        (
            &["exec", "--ec2-server", "--imds-address", "[::1]:80"],
            &[],
            "--imds-address [::1]:80 is not an IPv4 address\n  write it as 169.254.169.254 or 127.0.0.1:8080",
        ),
        (&["exec", "--ec2-server", "--hop-limit", "0"], &[], "--hop-limit 0 is not a whole number of 1 or more"),
        (&["exec", "--ec2-server", "--hop-limit", "65"], &[], "--hop-limit 65 is above 64"),
        (&["exec", "--ec2-server"], &[("SENTINEL_HOP_LIMIT", "99")], "SENTINEL_HOP_LIMIT=99 is above 64"),
        (
            &["exec", "--server", "--imds-v1"],
            &[],
            "--imds-v1 needs --ec2-server\n  add --ec2-server, or leave --imds-v1 out",
        ),
        (
            &["exec", "--unix-socket", "--imds-address", "127.0.0.1"],
            &[],
            "--imds-address needs --ec2-server\n  add --ec2-server, or leave --imds-address out",
        ),
        (
            &["exec", "--hop-limit", "2"],
            &[],
            "--hop-limit needs --ec2-server\n  add --ec2-server, or leave --hop-limit out",
        ),
    ] {
        assert_eq!(read(line, env).expect_err("a mistake").to_string(), message, "{line:?}");
    }
}
