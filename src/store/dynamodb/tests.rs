use super::*;

#[test]
fn texts_and_whole_numbers_are_attributes_and_come_back() {
    let record = Item(
        [
            ("id".to_owned(), Value::Text("0123456789abcdef".to_owned())),
            ("ttl".to_owned(), Value::Number(1_767_232_800)),
            ("low".to_owned(), Value::Number(i64::MIN)),
            ("why".to_owned(), Value::Text("\"quoted\"\n\u{1f4bb}".to_owned())),
        ]
        .into(),
    );
    let found = attributes(&record);
    assert_eq!(found.get("ttl"), Some(&json!({"N": "1767232800"})));
    assert_eq!(found.get("id"), Some(&json!({"S": "0123456789abcdef"})));
    assert_eq!(item(&found), record);
}

#[test]
fn what_is_no_text_and_no_whole_number_is_not_read() {
    let found = json!({
        "empty": {"S": ""}, "flag": {"BOOL": true}, "list": {"L": []}, "none": {"NULL": true}, "bytes": {"B": "AA=="},
        "fraction": {"N": "1.5"}, "huge": {"N": "1e40"}, "two": {"S": "a", "N": "1"}, "odd": {"S": 1}, "bare": "x",
        "kept": {"S": "x"},
    });
    let read = item(found.as_object().expect("an object"));
    assert_eq!(read, Item([("kept".to_owned(), Value::Text("x".to_owned()))].into()));
}

#[test]
fn a_name_that_is_no_tables_is_refused() {
    for name in ["sentinel-sessions", "a.b", "A_1", &"x".repeat(255)] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    for name in
        ["", "ab", "a b", "a/b", "t\u{e4}b", &"x".repeat(256), "arn:aws:dynamodb:eu-west-1:123456789012:table/t"]
    {
        assert!(check_name(name).is_err(), "{name}");
    }
    assert_eq!(
        check_name("a\nb").expect_err("no name").to_string(),
        "`a\\nb` is not a DynamoDB table's name\n  it has 3 to 255 letters, digits, `_`, `.` and `-`; not an ARN"
    );
}
