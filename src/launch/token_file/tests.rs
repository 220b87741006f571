use std::os::unix::fs::symlink;

use super::*;

const TOKENS: [&str; 2] =
    ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB-_"];

/// A directory of this mode, removed on drop.
struct Place(PathBuf);

impl Place {
    fn new(name: &str, mode: u32) -> Self {
        let path = std::env::temp_dir().join(format!("sentinel-token-{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("a directory");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
        Self(path)
    }

    fn token(&self) -> PathBuf {
        self.0.join("token")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a listing");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    fn refusal(&self) -> String {
        TokenFile::at(&self.token(), None).expect_err("refused").summary()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::set_permissions(&self.0, Permissions::from_mode(0o700)).expect("chmod");
        fs::remove_dir_all(&self.0).expect("removed");
    }
}

#[test]
fn a_token_is_its_owners_has_no_lines_end_and_goes() {
    let place = Place::new("goes", 0o755);
    let mut file = TokenFile::at(&place.token(), None).expect("a place");
    assert_eq!(place.names(), Vec::<String>::new(), "looking makes nothing");
    for token in TOKENS {
        file.write(token).expect("written");
        assert_eq!(fs::read_to_string(place.token()).expect("a file"), token);
        assert_eq!(fs::metadata(place.token()).expect("a file").mode() & 0o7777, 0o600);
        assert_eq!(place.names(), ["token"]);
    }
    drop(file);
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn a_reader_never_finds_half_of_one() {
    let place = Place::new("half", 0o700);
    let mut file = TokenFile::at(&place.token(), None).expect("a place");
    file.write(TOKENS[0]).expect("written");
    let mut opened = File::open(place.token()).expect("a reader");
    file.write(TOKENS[1]).expect("written");
    let mut text = String::new();
    opened.read_to_string(&mut text).expect("read");
    assert_eq!(text, TOKENS[0], "who has opened the old one reads the old one");
}

#[test]
fn a_killed_ones_file_is_taken_over_and_a_live_ones_is_not() {
    let place = Place::new("killed", 0o700);
    fs::write(place.token(), TOKENS[0]).expect("left behind");
    fs::write(place.0.join("token.sentinel-new"), "half").expect("left behind");
    let mut file = TokenFile::at(&place.token(), None).expect("nobody's");
    let mut late = TokenFile::at(&place.token(), None).expect("still nobody's");
    file.write(TOKENS[1]).expect("written");
    assert_eq!(place.names(), ["token"]);
    let expected = format!("the token file {} is taken: another sentinel writes it", place.token().display());
    assert_eq!(place.refusal(), expected);
    assert_eq!(late.write(TOKENS[0]).expect_err("taken meanwhile").summary(), expected);
    drop(late);
    assert_eq!(fs::read_to_string(place.token()).expect("a file"), TOKENS[1]);
}

#[test]
fn a_file_beside_it_that_is_somebodys_stays() {
    let place = Place::new("beside", 0o700);
    fs::write(place.0.join("token.new"), "precious").expect("a file");
    TokenFile::at(&place.token(), None).expect("a place").write(TOKENS[0]).expect("written");
    assert_eq!(fs::read_to_string(place.0.join("token.new")).expect("a file"), "precious");
}

#[test]
fn what_is_no_token_of_ours_is_left_alone() {
    let place = Place::new("taken", 0o700);
    let path = place.token();
    let refused = |why: &str| assert_eq!(place.refusal(), format!("the token file {} is taken: {why}", path.display()));
    for text in ["", "[default]\naws_access_key_id = AKIA\n", &format!("{}\n", TOKENS[0]), &TOKENS[0].replace('A', "!")]
    {
        fs::write(&path, text).expect("a file");
        refused("it holds something else than a token");
        assert_eq!(fs::read_to_string(&path).expect("a file"), text);
    }
    fs::remove_file(&path).expect("removed");
    symlink("elsewhere", &path).expect("a link");
    refused("it is a symbolic link");
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a directory");
    refused("it is not a regular file");
}

#[test]
fn what_somebody_put_in_its_place_stays() {
    let place = Place::new("stays", 0o700);
    let mut file = TokenFile::at(&place.token(), None).expect("a place");
    file.write(TOKENS[0]).expect("written");
    fs::remove_file(place.token()).expect("removed");
    fs::write(place.token(), "another's").expect("a file");
    drop(file);
    assert_eq!(fs::read_to_string(place.token()).expect("it is there"), "another's");
}

#[test]
fn a_directory_where_others_write_is_refused() {
    for mode in [0o1777, 0o770, 0o702] {
        let place = Place::new("open", mode);
        let expected = format!("others may write to the directory {} (mode {mode:04o})", place.0.display());
        assert_eq!(place.refusal(), expected);
    }
}
