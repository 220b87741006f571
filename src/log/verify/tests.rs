use super::*;
use crate::log::chain::Stream;
use crate::log::ratchet::Ratchet;

const KEY: &[u8] = b"a key of 32 bytes, which is enough";

fn id(digit: char) -> StreamId {
    StreamId::parse(&digit.to_string().repeat(16)).expect("an id")
}

/// A stream of so many decisions, with its opening and its closing line.
fn stream(digit: char, decisions: usize, key: Option<&[u8]>, opening: &str) -> Vec<String> {
    let ratchet = key.map(|key| Ratchet::of(key, id(digit)).expect("memory"));
    let mut stream = Stream::new(id(digit), ratchet);
    let mut text = String::new();
    stream.seal(&format!(r#"{{"timestamp":"t","event":"open","pid":7{opening}}}"#), &mut text);
    for number in 0..decisions {
        stream.seal(&format!(r#"{{"timestamp":"t","reason":"{digit}{number}"}}"#), &mut text);
    }
    stream.seal(r#"{"timestamp":"t","event":"close"}"#, &mut text);
    text.lines().map(str::to_owned).collect()
}

fn whole(digit: char, decisions: usize) -> Vec<String> {
    stream(digit, decisions, None, "")
}

fn hash(line: &str) -> String {
    crate::digest::hex(&sha256(line.as_bytes()))
}

fn check_with(mut verifier: Verifier, files: &[&[String]]) -> Report {
    files.iter().copied().flatten().for_each(|line| verifier.look_ahead(line.as_bytes()));
    for (number, lines) in files.iter().enumerate() {
        let file = verifier.file(&format!("f{number}"));
        for (line, text) in (1..).zip(*lines) {
            verifier.check(Verifier::place(file, line), Some(text.as_bytes()));
        }
    }
    verifier.finish()
}

fn check(lines: &[String]) -> Report {
    check_with(Verifier::new(None), &[lines])
}

#[track_caller]
fn assert_findings(report: &Report, expected: &[&str]) {
    assert_eq!(report.findings, expected, "{report:?}");
}

#[test]
fn whole_streams_are_whole_however_they_lie_between_each_other() {
    let (a, b) = (whole('a', 3), whole('b', 2));
    let mixed: Vec<String> =
        [&a[0], &b[0], &a[1], &a[2], &b[1], &b[2], &b[3], &a[3], &a[4]].map(String::clone).to_vec();
    let report = check(&mixed);
    assert_findings(&report, &[]);
    assert_eq!(report.notes, [""; 0]);
    assert_eq!(report.lines, 9);
    let heads: Vec<String> = report.heads.iter().map(Head::to_string).collect();
    let head = |digit: char, seq: u64, line: &str| format!("{}:{seq}:{}", id(digit), hash(line));
    assert_eq!(heads, [head('a', 4, &a[4]), head('b', 3, &b[3])]);
}

#[test]
fn a_changed_line_is_found() {
    for changed in 1..5 {
        let mut lines = whole('a', 4);
        lines[changed] = lines[changed].replace("\"t\"", "\"u\"");
        let place = changed + 1;
        let expected =
            format!("f0:{place}: was changed, or the next line of its stream, f0:{}, was: they do not fit", place + 1);
        assert_findings(&check(&lines), &[&expected]);
    }
}

#[test]
fn a_removed_line_is_found() {
    let all = whole('a', 4);
    let stream = id('a');
    let mut lines = all.clone();
    lines.remove(2);
    let missing = format!("f0:3: line 2 of stream {stream} is missing between f0:2 and this: removed or moved");
    assert_findings(&check(&lines), &[&missing]);
    lines.remove(2);
    let missing = format!("f0:3: lines 2 to 3 of stream {stream} are missing between f0:2 and this: removed or moved");
    assert_findings(&check(&lines), &[&missing]);
}

#[test]
fn a_stream_whose_beginning_was_removed_is_found_behind_another() {
    let (a, b) = (whole('a', 1), whole('b', 2));
    let lines = [&a[..], &b[1..]].concat();
    let expected = format!("f0:4: is line 1 of stream {}, whose lines before it are missing", id('b'));
    assert_findings(&check(&lines), &[&expected]);
}

#[test]
fn a_moved_line_is_found() {
    let mut lines = whole('a', 4);
    lines.swap(2, 3);
    let stream = id('a');
    assert_findings(
        &check(&lines),
        &[
            &format!("f0:3: line 2 of stream {stream} is missing between f0:2 and this: removed or moved"),
            &format!("f0:4: was moved: it is line 2 of stream {stream}, and comes after f0:3"),
        ],
    );
}

#[test]
fn a_repeated_line_is_found() {
    let mut lines = whole('a', 4);
    lines.insert(3, lines[2].clone());
    assert_findings(&check(&lines), &["f0:4: is there twice: it is f0:3 again"]);
    let mut lines = whole('a', 4);
    lines.insert(4, lines[1].clone());
    let stream = id('a');
    let again = format!("f0:5: is line 1 of stream {stream} again, after f0:4: it was repeated or put in");
    assert_findings(&check(&lines), &[&again]);
    let mut lines = whole('a', 1);
    lines.push(lines[0].clone());
    let again = format!("f0:4: is line 0 of stream {stream} again, after f0:3: it was repeated or put in");
    assert_findings(&check(&lines), &[&again]);
}

#[test]
fn a_line_that_was_put_in_is_found() {
    let mut lines = whole('a', 2);
    lines.insert(2, r#"{"timestamp":"t","reason":"mine"}"#.to_owned());
    assert_findings(&check(&lines), &["f0:3: is in no stream: it was put in, or a version without streams wrote it"]);
    lines[2] = "mine".to_owned();
    assert_findings(&check(&lines), &["f0:3: is not a line of sentinel's: it was put in, changed, or cut"]);
    // One that fits what is before it does not fit what follows.
    let mut lines = whole('a', 2);
    lines.insert(2, lines[2].replace("a1", "mine"));
    let again = format!("f0:4: is line 2 of stream {} again, after f0:3: it was repeated or put in", id('a'));
    let unfit = "f0:3: was changed, or the next line of its stream, f0:5, was: they do not fit";
    assert_findings(&check(&lines), &[&again, unfit]);
    // Nothing comes after the end.
    let mut lines = whole('a', 1);
    let mut longer = whole('a', 3);
    longer.remove(4);
    lines.push(longer.remove(3));
    let report = check(&lines);
    assert_eq!(report.findings[0], "f0:4: comes after the end of its stream, f0:3: it was put in");
}

#[test]
fn an_end_that_was_cut_off_is_named_and_found_by_a_head() {
    let all = whole('a', 4);
    let lines = &all[..3];
    let report = check(lines);
    assert_findings(&report, &[]);
    let stream = id('a');
    let note = format!(
        "f0:3: is the last of stream {stream} of pid 7, line 2, which was not closed: the process runs, was killed, or the \
         end was cut off"
    );
    assert_eq!(report.notes, [note]);
    let mut verifier = Verifier::new(None);
    verifier.expect(Head { stream, seq: 4, digest: sha256(all[4].as_bytes()) });
    verifier.expect(Head { stream, seq: 1, digest: sha256(all[1].as_bytes()) });
    let cut =
        format!("f0:3: is line 2 of stream {stream} and its last, and a head names its line 4: the end was cut off");
    assert_findings(&check_with(verifier, &[lines]), &[&cut]);
}

#[test]
fn a_stream_that_was_removed_or_written_anew_is_found_by_a_head() {
    let (a, b) = (whole('a', 2), whole('b', 2));
    let mut verifier = Verifier::new(None);
    verifier.expect_from(format!("x sentinel-head {}:2:{}", id('b'), hash(&b[2])).as_bytes());
    let gone = format!(
        "stream {}, of which a head names line 2, is not there: it was removed, or is in a file that was not given",
        id('b')
    );
    assert_findings(&check_with(verifier, &[&a]), &[&gone]);
    let mut verifier = Verifier::new(None);
    a.iter().for_each(|line| verifier.expect_from(line.as_bytes()));
    let anew = stream('a', 2, None, r#","x":1"#);
    assert_findings(&check(&anew), &[]);
    let found = "f0:4: is not the line that a head names: it was changed, or written anew";
    assert_findings(&check_with(verifier, &[&anew]), &[found]);
}

#[test]
fn a_stream_that_another_began_behind_is_missed() {
    let a = whole('a', 2);
    let b = stream('b', 1, None, &format!(r#","after":"{}""#, hash(&a[3])));
    assert_findings(&check(&[a.clone(), b.clone()].concat()), &[]);
    let c = whole('c', 0);
    let missed = "f0:3: names the last line before it, which is not there: it was changed or removed";
    assert_findings(&check(&[c, b.clone()].concat()), &[missed]);
    let report = check(&b);
    assert_findings(&report, &[]);
    assert_eq!(report.notes, ["f0:1: older files are missing: this line was not the first"]);
}

#[test]
fn a_stream_goes_on_in_the_next_file() {
    let a = whole('a', 4);
    let (older, newer) = a.split_at(3);
    assert_findings(&check_with(Verifier::new(None), &[older, newer]), &[]);
    let report = check_with(Verifier::new(None), &[newer]);
    assert_findings(&report, &[]);
    let note = format!("f0:1: older files are missing: stream {} begins here with its line 3", id('a'));
    assert_eq!(report.notes, [note]);
    let swapped = check_with(Verifier::new(None), &[newer, older]);
    assert_eq!(swapped.findings.len(), 3, "{swapped:?}");
}

#[test]
fn a_key_finds_what_was_written_anew() {
    let (key, other) = (Some(KEY), Some(&b"another key"[..]));
    let verifier = || Verifier::new(Some(Zeroizing::new(KEY.to_vec())));
    let signed = stream('a', 3, key, "");
    assert_findings(&check_with(verifier(), &[&signed]), &[]);
    // Nothing is asked of it without a key.
    let report = check(&signed);
    assert_findings(&report, &[]);
    assert_eq!(report.notes, ["there are MACs, which --log-key would check"]);
    let unsigned = stream('a', 3, None, "");
    let none = "f0:1: has no MAC, so that nothing shows that the key's owner wrote it";
    assert_findings(&check_with(verifier(), &[&unsigned]), &[none]);
    let forged = stream('a', 1, other, "");
    let wrong = |line: usize| {
        format!("f0:{line}: has a MAC that the key does not give: it was changed, or another key's owner wrote it")
    };
    assert_findings(&check_with(verifier(), &[&forged]), &[&wrong(1), &wrong(2), &wrong(3)]);
    // The last line has none behind it.
    let mut changed = signed.clone();
    changed[4] = changed[4].replace("\"t\"", "\"u\"");
    assert_findings(&check_with(verifier(), &[&changed]), &[&wrong(5)]);
    // A gap does not lead the keys astray, and neither does a file that is not there.
    let mut cut = signed.clone();
    cut.remove(2);
    assert_eq!(check_with(verifier(), &[&cut]).findings.len(), 1);
    assert_findings(&check_with(verifier(), &[&signed[2..]]), &[]);
}

#[test]
fn a_stream_that_a_full_disk_ended_is_no_finding() {
    let a = whole('a', 4);
    let torn = &a[3][..20];
    let continues = format!(
        r#","after":"{}","torn":["{}"],"continues":{{"stream":"{}","seq":2,"head":"{}"}}"#,
        hash(torn),
        hash(torn),
        id('a'),
        hash(&a[2])
    );
    let b = stream('b', 1, None, &continues);
    let lines = [&a[..3], &[torn.to_owned()], &b[..]].concat();
    let report = check(&lines);
    assert_findings(&report, &[]);
    assert_eq!(
        report.notes,
        ["f0:4: was not written to its end: a later opening line says that a write failed, and names it"]
    );
    // Another process wrote behind the torn line, before it could be ended.
    let c = whole('c', 1);
    let glued = [torn, &c[1]].concat();
    let lines = [&a[..3], &c[..1], &[glued, String::new()], &b[..], &c[2..]].concat();
    assert_findings(&check(&lines), &[]);
    // The same opening line does not excuse an end that was cut off further up.
    let lines = [&a[..2], &[torn.to_owned()], &b[..]].concat();
    let expected =
        format!("f0:4: says that stream {} was given up after its line 2, and that ends otherwise, at f0:2", id('a'));
    assert_findings(&check(&lines), &[&expected]);
    // Nor one without it.
    assert_findings(
        &check(&[&a[..3], &[torn.to_owned()]].concat()),
        &["f0:4: is not a line of sentinel's: it was put in, changed, or cut"],
    );
    // Nothing follows where a stream was given up.
    let lines = [&a[..3], &[torn.to_owned()], &b[..], &a[3..4]].concat();
    assert_findings(&check(&lines), &["f0:8: comes after f0:3, where its stream was given up"]);
}

#[test]
fn lines_of_earlier_versions_are_counted_where_they_belong() {
    let old = r#"{"timestamp":"t","reason":"old"}"#.to_owned();
    let report = check(&[&[old.clone(), old.clone()], &whole('a', 1)[..]].concat());
    assert_findings(&report, &[]);
    assert_eq!(report.notes, ["2 lines at the beginning are of a version without streams: nothing proves them"]);
}

#[test]
fn a_number_that_is_far_away_costs_no_time() {
    let mut verifier = Verifier::new(Some(Zeroizing::new(KEY.to_vec())));
    let file = verifier.file("f\u{1b}[2J");
    let zeros = "0".repeat(64);
    for line in 1..4 {
        let text =
            format!(r#"{{"timestamp":"t","stream":"{}","seq":{},"prev":"{zeros}"}}"#, id('a'), u64::MAX - 4 + line);
        verifier.check(Verifier::place(file, line), Some(text.as_bytes()));
    }
    verifier.check(Verifier::place(file, 4), None);
    let report = verifier.finish();
    assert_eq!(
        report.findings[0],
        "f\\u001b[2J:1: cannot be checked against the key: too many lines before it are missing"
    );
    assert_eq!(
        report.findings.last().map(String::as_str),
        Some("f\\u001b[2J:4: is longer than any line of sentinel's")
    );
}

#[test]
fn a_key_takes_no_line_on_trust_that_no_stream_holds() {
    let old = r#"{"timestamp":"t","profile":"prod","effect":"deny"}"#.to_owned();
    let lines = [vec![old], stream('a', 1, Some(KEY), "")].concat();
    assert_findings(&check(&lines), &[]);
    let found = "f0:1: is in no stream: it was put in, or a version without streams wrote it";
    for lines in [&lines[..], &lines[..1]] {
        let verifier = Verifier::new(Some(Zeroizing::new(KEY.to_vec())));
        assert_findings(&check_with(verifier, &[lines]), &[found]);
    }
}

#[test]
fn what_is_kept_of_many_streams_has_a_bound() {
    let lines = [whole('a', 0), whole('b', 0), whole('c', 0)].concat();
    let mut verifier = Verifier::new(None);
    verifier.stream_limit = 2;
    let report = check_with(verifier, &[&lines]);
    assert_findings(&report, &["there are more streams than can be checked at once: give fewer files"]);
    assert_eq!(report.heads.len(), 2);
    let torn = format!(r#","torn":["{}","{}"]"#, hash("a"), hash("b"));
    let mut verifier = Verifier::new(None);
    verifier.stream_limit = 2;
    assert_eq!(check_with(verifier, &[&stream('a', 0, None, &torn)]).findings.len(), 1);
}
