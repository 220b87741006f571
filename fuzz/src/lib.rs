//! What must hold of every input, whatever it is (T24): one file a reader of input, and one function in it.
//!
//! libFuzzer runs these on inputs that it makes up (`make fuzz`), `cargo test` on those in `corpus/`.

pub mod answer;
pub mod arguments;
pub mod choices;
pub mod duration;
pub mod envelope;
pub mod helper;
pub mod ini;
pub mod log;
pub mod matching;
pub mod netlink;
pub mod policy;
pub mod proc;
pub mod record;
pub mod request;
pub mod session;
pub mod settings;
pub mod sts;
pub mod token;

/// Panics where an input breaks the property.
pub type Check = fn(&[u8]);

/// The targets: each has a program in `fuzz_targets/` and inputs in `corpus/`, both of that name.
pub const TARGETS: [(&str, Check); 17] = [
    ("answer", answer::check),
    ("arguments", arguments::check),
    ("duration", duration::check),
    ("envelope", envelope::check),
    ("helper", helper::check),
    ("ini", ini::check),
    ("log", log::check),
    ("matching", |bytes| {
        matching::check(bytes);
    }),
    ("netlink", netlink::check),
    ("policy", policy::check),
    ("proc", proc::check),
    ("record", record::check),
    ("request", request::check),
    ("session", session::check),
    ("settings", settings::check),
    ("sts", sts::check),
    ("token", token::check),
];
