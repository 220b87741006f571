use super::*;

/// Sections with their keys and values, values as Python's configparser joins them.
fn flat(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let ini = parse(text).unwrap_or_else(|error| panic!("line {} {}", error.line, error.problem));
    let value = |entry: &Entry<'_>| {
        let mut lines = vec![entry.first];
        lines.extend(entry.rest.iter().map(|(_, line)| *line));
        lines.join("\n")
    };
    ini.sections
        .iter()
        .map(|section| {
            let entries = section.entries.iter().map(|entry| (entry.key.clone(), value(entry))).collect();
            (section.name.to_owned(), entries)
        })
        .collect()
}

fn problem(text: &str) -> (usize, Problem) {
    match parse(text) {
        Ok(_) => panic!("was read: {text}"),
        Err(error) => (error.line, error.problem),
    }
}

fn is_read_as(text: &str, section: &str, entries: &[(&str, &str)]) {
    let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(flat(text), [(section.to_owned(), entries)], "{text:?}");
}

#[test]
fn values_are_read_as_botocore_reads_them() {
    // Each expectation is what botocore.configloader.raw_config_parse(path, parse_subsections=False) gives.
    is_read_as("[a]\nregion = eu # Frankfurt\n", "a", &[("region", "eu # Frankfurt")]);
    is_read_as("[a]\nregion = eu ; Frankfurt\n", "a", &[("region", "eu ; Frankfurt")]);
    is_read_as("[a]\nk=value=more==\n", "a", &[("k", "value=more==")]);
    is_read_as("[a]\nk: v = w\n", "a", &[("k", "v = w")]);
    is_read_as("[a]\nk = arn:aws:iam\n", "a", &[("k", "arn:aws:iam")]);
    is_read_as("[a]\r\nk = v\r\n\r\nl = w\r\n", "a", &[("k", "v"), ("l", "w")]);
    is_read_as("[a]\n\t Region\t =\t x \t\n", "a", &[("region", "x")]);
    is_read_as("  [a]\n  k = v\n  l = w\nm = x", "a", &[("k", "v"), ("l", "w"), ("m", "x")]);
    is_read_as("[a] # note\nk = v", "a", &[("k", "v")]);
    is_read_as("[a];note\nk =", "a", &[("k", "")]);
    is_read_as("# c\n; c\n\n[a]\n  # c\nk = 'v'\n ; c\n", "a", &[("k", "'v'")]);
    is_read_as("[a]\ns3 =\n  max = 1\n  # c\n    min = 2\nl = w\n", "a", &[("s3", "\nmax = 1\nmin = 2"), ("l", "w")]);
    is_read_as("[a]\nk = v\n  l = w\n", "a", &[("k", "v\nl = w")]);
    is_read_as("[a]\nÄ = ü\n", "a", &[("ä", "ü")]);
    is_read_as("[profile \"a b\"]\n", "profile \"a b\"", &[]);
    assert_eq!(flat(""), []);
    assert_eq!(flat("\n \n#"), []);
}

#[test]
fn blank_lines_inside_a_value_are_left_out() {
    is_read_as("[a]\nk = v\n\u{a0}\n\n  w\n", "a", &[("k", "v\nw")]);
}

#[test]
fn sections_and_keys_know_their_lines() {
    let ini = parse("# c\n[a]\nk = v\n\n[b]\ns3 =\n  x = 1\n\n  y = 2").expect("a good text");
    let lines: Vec<usize> = ini.sections.iter().map(|section| section.line).collect();
    assert_eq!(lines, [2, 5]);
    assert_eq!(ini.sections[0].entry("k").map(|entry| entry.line), Some(3));
    let nested = ini.sections[1].entry("s3").expect("s3");
    assert_eq!(nested.rest, [(7, "x = 1"), (9, "y = 2")]);
    assert_eq!(nested.nested().collect::<Vec<_>>(), [(7, "x", "1"), (9, "y", "2")]);
    assert_eq!(nested.verbatim(), "\n    x = 1\n    y = 2");
    assert!(ini.sections[0].entry("absent").is_none());
}

#[test]
fn what_botocore_refuses_is_refused_with_its_line() {
    assert_eq!(problem("[a]\n[b]\n[a]\n"), (3, Problem::DuplicateSection { first: 1 }));
    assert_eq!(problem("[a]\nk = 1\n\nK = 2\n"), (4, Problem::DuplicateKey { key: "k".into(), first: 2 }));
    assert_eq!(problem("k = v\n"), (1, Problem::OutsideSection));
    assert_eq!(problem("[a]\nnonsense\n"), (2, Problem::NoDelimiter));
    assert_eq!(problem("[a]\n= v\n"), (2, Problem::NoKey));
    assert_eq!(problem("[a\nk = v\n"), (1, Problem::UnclosedHeader));
    assert_eq!(problem("[a]\ns3 =\n  x = 1\n  y\n"), (4, Problem::NestedWithoutEquals));
    assert_eq!(problem("\u{feff}[a]\n"), (1, Problem::ByteOrderMark));
    assert_eq!(problem("[]\n"), (1, Problem::EmptyHeader));
}

#[test]
fn what_tools_read_differently_is_refused_with_its_line() {
    assert_eq!(problem("[a]\nk = v\n  [b]\n"), (3, Problem::IndentedHeader));
    assert_eq!(problem("[ a ]\n"), (1, Problem::SpacedHeader));
    assert_eq!(problem("[a] b\n"), (1, Problem::TextAfterHeader));
    assert_eq!(problem("[a] # b]\n"), (1, Problem::TextAfterHeader));
    assert_eq!(problem("[DEFAULT]\n"), (1, Problem::Defaults));
    assert_eq!(problem("[a]\nrole_arn arn:aws:iam\n"), (2, Problem::SpacedKey));
    for text in ["[a]\nk = \0\n", "[a]\nk = v\rl = w\n", "[a]\nk = \u{1b}[2J", "[a]\nk = \u{2028}", "[a]\nk = \u{85}"] {
        assert_eq!(problem(text), (2, Problem::ControlCharacter), "{text:?}");
    }
}

#[test]
fn a_key_that_may_be_a_secret_is_not_repeated() {
    let (_, repeated) = problem("[a]\nregion = a\nregion = b");
    assert_eq!(repeated.to_string(), "repeats region of line 2");
    let (_, repeated) =
        problem("[a]\nwJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEK=\nwJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEK=");
    assert_eq!(repeated.to_string(), "repeats the key of line 2");
    let (_, repeated) = problem(&format!("[a]\n{0} =\n{0} =", "k".repeat(40)));
    assert_eq!(repeated.to_string(), "repeats the key of line 2");
}

/// Marsaglia's xorshift64.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).expect("fits")).expect("fits")
    }
}

#[test]
fn any_text_is_read_or_refused_and_what_is_read_survives_being_written() {
    const PIECES: [&str; 30] = [
        "[",
        "]",
        "=",
        ":",
        "#",
        ";",
        " ",
        "  ",
        "\t",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\r",
        "\\",
        "\"",
        "'",
        "a",
        "b",
        "key",
        "profile ",
        "default",
        "DEFAULT",
        "[a]\n",
        "\nk = v\n",
        "\ns3 =\n  x = 1\n",
        "\u{feff}",
        "\u{a0}",
        "é",
        "\0",
    ];
    let seed = 0x9e37_79b9_7f4a_7c15;
    println!("seed {seed:#x}");
    let mut random = Xorshift(seed);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..40_000 {
        let mut text = if random.below(2) == 0 { String::from("[z]\n") } else { String::new() };
        for _ in 0..random.below(14) {
            text.push_str(PIECES[random.below(PIECES.len())]);
        }
        let lines = text.split('\n').count();
        match parse(&text) {
            Err(error) => {
                refused += 1;
                assert!((1..=lines).contains(&error.line), "{text:?}");
            }
            Ok(ini) => {
                read += 1;
                let mut written = String::new();
                for section in &ini.sections {
                    written.push_str(&format!("[{}]\n", section.name));
                    for entry in &section.entries {
                        assert!(section.line < entry.line && entry.line <= lines, "{text:?}");
                        written.push_str(&format!("{} = {}\n", entry.key, entry.verbatim()));
                    }
                }
                assert_eq!(flat(&written), flat(&text), "{text:?} was written as {written:?}");
            }
        }
    }
    assert!(read > 4_000 && refused > 4_000, "{read} read, {refused} refused: the pieces are unbalanced");
}

#[test]
fn a_file_of_the_largest_size_takes_no_time() {
    let sections: String = (0..150_000).map(|n| format!("[{n:05}]")).map(|s| s + "\n").collect();
    assert_eq!(parse(&sections).map(|ini| ini.sections.len()), Ok(150_000));
    let keys: String = (0..1_024).map(|n| format!("{n:05}=\n")).collect();
    assert_eq!(parse(&format!("[a]\n{keys}")).map(|ini| ini.sections[0].entries.len()), Ok(1_024));
    let (line, problem) = problem(&format!("[a]\n{keys}x=\n"));
    assert_eq!((line, problem.to_string()), (1_026, "is key 1025 of its section".to_owned()));
}
