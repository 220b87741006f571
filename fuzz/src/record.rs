//! A record as a file or a table has it: read whole or refused, and written back as it was read. And what DynamoDB and SSM
//! answer, in whatever bytes.

use sentinel::aws::client::Answer;
use sentinel::aws::json;
use sentinel::store::dynamodb;
use sentinel::store::record::{Value, is_id};
use sentinel::store::{Event, Item, Record, Request, Session};
use zeroize::Zeroizing;

/// The first byte chooses the answer's status; the rest is its body, and a file's content.
pub fn check(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let status = [200, 204, 302, 400, 500][usize::from(*first) % 5];
    let answer = Answer { status, date: None, body: Zeroizing::new(rest.to_vec()) };
    match json::read(&answer) {
        Ok(object) => {
            assert!(status == 200 && object.is_object());
            if let Some(attributes) = object.get("Item").and_then(|item| item.as_object()) {
                let item = dynamodb::item(attributes);
                assert!(
                    item.0
                        .iter()
                        .all(|(name, value)| { attributes.contains_key(name) && *value != Value::Text(String::new()) })
                );
                records(&item);
            }
        }
        Err(failure) => assert!(!failure.to_string().is_empty()),
    }
    if let Ok(item) = serde_json::from_slice::<Item>(rest) {
        let written = serde_json::to_vec(&item).expect("it was read");
        assert_eq!(serde_json::from_slice::<Item>(&written).expect("it was written"), item);
        records(&item);
    }
}

fn records(item: &Item) {
    record::<Session>(item);
    record::<Request>(item);
    record::<Event>(item);
}

fn record<T: Record>(item: &Item) {
    let Ok(read) = T::of_item(item) else { return };
    assert!(item.id().is_ok_and(is_id));
    // Times lose what is below a millisecond, once, and empty texts are left out, once.
    let written = read.to_item();
    assert!(written.0.keys().all(|name| T::KIND.fields().contains(&name.as_str())));
    let again = T::of_item(&written).unwrap_or_else(|error| panic!("{error}")).to_item();
    assert_eq!(again, written);
}
