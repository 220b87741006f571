//! How the two files are written.

use super::Case;
use super::Expected::{BothRefuse, Refused, Same};

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case::new("the default profile", "[default]\nregion = eu-west-1\n", Same).credentials("[default]\n{alice}\n"),
    Case::new("the default profile, called a profile", "[profile default]\nregion = eu-west-1\n{alice}\n", Same),
    Case::new("a name in double quotes", "[profile \"x y\"]\nregion = eu-west-1\n{alice}\n", Same)
        .options(&["--profile", "x y"]),
    Case::new("a name in single quotes", "[profile 'x y']\nregion = eu-west-1\n{alice}\n", Same)
        .options(&["--profile", "x y"]),
    Case::new("a name with a space in the credentials file", "[profile \"x y\"]\nregion = eu-west-1\n", Same)
        .credentials("[x y]\n{alice}\n")
        .options(&["--profile", "x y"]),
    Case::new("a name of letters that are not ASCII", "[profile größe]\nregion = eu-west-1\n{alice}\n", Same)
        .options(&["--profile", "größe"]),
    Case::new("a name of signs", "[profile a.b@c/d+e]\nregion = eu-west-1\n{alice}\n", Same)
        .options(&["--profile", "a.b@c/d+e"]),
    Case::new(
        "comments on lines of their own",
        "# one\n[default]\n; two\nregion = eu-west-1\n  # three\n{alice}\n#role_arn = {first}\n",
        Same,
    ),
    Case::new("a comment behind a section", "[default] # mine\nregion = eu-west-1\n{alice}\n", Same),
    Case::new(
        "a comment behind a value",
        "[default]\nregion = eu-west-1 # mine\n{alice}\n",
        BothRefuse("region of profile `default` has a comment behind it"),
    ),
    Case::new(
        "a comment behind a secret",
        "[default]\nregion = eu-west-1\n{alice} # mine\n",
        BothRefuse("aws_secret_access_key of profile `default` has a comment behind it"),
    ),
    Case::new(
        "a value that goes on by accident",
        "[default]\nregion = eu-west-1\n  output = json\n{alice}\n",
        BothRefuse("region of profile `default` goes on in line 3"),
    ),
    Case::new(
        "a nested block",
        "[default]\ns3 =\n  max_queue_size = 5\n  region = us-east-2\nregion = eu-west-1\n{alice}\n",
        Same,
    ),
    Case::new("spaces and tabs", "[default]\nregion\t=\t eu-west-1 \t\n{alice}\n\n\n", Same),
    Case::new("no spaces", "[default]\nregion=eu-west-1\n{alice}\n", Same),
    Case::new("a colon for an equals sign", "[default]\nregion: eu-west-1\n{alice}\n", Same),
    Case::new("keys in capitals", "[default]\nREGION = eu-west-1\nRole_Arn = {first}\nsource_profile = b\n", Same)
        .credentials("[b]\n{alice}\n"),
    Case::new("lines that end as on Windows", "[default]\r\nregion = eu-west-1\r\n", Same)
        .credentials("[default]\r\naws_access_key_id = {alice.id}\r\naws_secret_access_key = {alice.secret}\r\n"),
    Case::new(
        "a byte order mark",
        "\u{feff}[default]\nregion = eu-west-1\n{alice}\n",
        BothRefuse("begins with a byte order mark"),
    ),
    Case::new(
        "a key twice",
        "[default]\nregion = eu-west-1\nregion = us-east-2\n{alice}\n",
        BothRefuse("repeats region of line 2"),
    ),
    Case::new(
        "a section twice",
        "[default]\nregion = eu-west-1\n[default]\n{alice}\n",
        BothRefuse("repeats the section of line 1"),
    ),
    Case::new(
        "a profile under both of its names",
        "[default]\nregion = eu-west-1\n{alice}\n[profile default]\nregion = us-east-2\n{bob}\n",
        Refused("repeats the section of line 1", "AWS's tools differ in which of the two they take"),
    ),
    Case::new(
        "a profile whose `profile` was forgotten",
        "[a]\nregion = eu-west-1\n{alice}\n",
        BothRefuse("has to be [profile a]"),
    )
    .options(&["--profile", "a"]),
    Case::new("an empty region", "[default]\nregion =\n{alice}\n", BothRefuse("region of profile `default` is ``")),
    Case::new("keys in the config file alone", "[profile a]\nregion = eu-west-1\n{alice}\n", Same)
        .options(&["--profile", "a"]),
    Case::new("keys in both files", "[profile a]\nregion = eu-west-1\n{bob}\n", Same)
        .credentials("[a]\n{alice}\n")
        .options(&["--profile", "a"]),
    Case::new("a region in both files", "[profile a]\nregion = eu-west-1\n", Same)
        .credentials("[a]\nregion = us-east-2\n{alice}\n")
        .options(&["--profile", "a"]),
    Case::new("a role in the credentials file", "[profile a]\nregion = eu-west-1\n", Same)
        .credentials("[a]\nrole_arn = {first}\nsource_profile = b\n[b]\n{alice}\n")
        .options(&["--profile", "a"]),
    Case::new(
        "half a pair of keys",
        "[default]\nregion = eu-west-1\naws_access_key_id = {alice.id}\n",
        BothRefuse("has no aws_secret_access_key beside it"),
    ),
    Case::new("keys that are temporary", "[default]\nregion = eu-west-1\n{session}\n", Same),
];
