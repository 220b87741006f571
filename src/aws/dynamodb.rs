//! DynamoDB (API version 2012-08-10), as much of it as records need: items with the key `id` and a `version`, written on the
//! condition that nobody else wrote meanwhile, and found by an index.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock::Clock;
use crate::error::{self, Error};

use super::answer::malformed;
use super::endpoint::{Endpoint, Service};
use super::failure::{Failure, FailureKind};
use super::json::{self, Json};
use super::keys::{KeySource, Keys};
use super::network::Network;
use super::retry::Pause;

const GET_ITEM: &str = "DynamoDB_20120810.GetItem";
const PUT_ITEM: &str = "DynamoDB_20120810.PutItem";
const UPDATE_ITEM: &str = "DynamoDB_20120810.UpdateItem";
const QUERY: &str = "DynamoDB_20120810.Query";
const SCAN: &str = "DynamoDB_20120810.Scan";

/// Attributes by name, each as DynamoDB writes it: `{"S": "text"}`.
pub type Attributes = Map<String, Value>;

/// DynamoDB at one endpoint.
pub struct DynamoDb {
    json: Json,
    keys: Arc<dyn KeySource>,
}

/// Why a call did not succeed.
#[derive(Debug)]
pub enum Refused {
    /// The condition does not hold.
    Condition,
    /// There is no table of that name.
    NoTable,
    /// The table has no index of that name.
    NoIndex,
    /// AWS refused, or could not be reached.
    Failure(Failure),
    /// There are no keys to sign with.
    Keys(Error),
}

/// Which items of an index are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    /// The index's name.
    pub index: &'a str,
    /// Its hash key.
    pub field: &'a str,
    /// The key's value.
    pub value: &'a str,
}

/// What an item has to be like that is updated.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Its version; 0: none.
    pub version: i64,
    /// One of these is its `status`; none: any is.
    pub statuses: &'a [&'a str],
}

/// Some of the items, and where the next ones begin.
#[derive(Debug)]
pub struct Page {
    /// In no order that could be relied on.
    pub items: Vec<Attributes>,
    /// To be given back for the next page; `None` on the last.
    pub next: Option<Value>,
}

impl DynamoDb {
    /// DynamoDB at `endpoint`, asked with the keys of `keys`.
    ///
    /// # Errors
    /// When the CA bundle or the proxy cannot be used.
    pub fn new(
        endpoint: Endpoint,
        keys: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
        network: &Network,
    ) -> error::Result<Self> {
        Ok(Self { json: Json::new(Service::DynamoDb, endpoint, clock, network)?, keys })
    }

    /// Pauses between attempts in another way than by sleeping.
    #[must_use]
    pub fn with_pause(mut self, pause: Pause) -> Self {
        self.json = self.json.with_pause(pause);
        self
    }

    /// The region that tables are in.
    pub fn region(&self) -> &str {
        self.json.endpoint().region()
    }

    /// The item of this id, as it was written last.
    ///
    /// # Errors
    /// When there is no answer, or one that is none.
    pub fn get(&self, table: &str, id: &str, deadline_boot: Duration) -> Result<Option<Attributes>, Refused> {
        let body = json!({"TableName": table, "Key": {"id": {"S": id}}, "ConsistentRead": true});
        let mut answer = self.call(GET_ITEM, &body, deadline_boot)?;
        match answer.get_mut("Item").map(Value::take) {
            None => Ok(None),
            Some(Value::Object(item)) => Ok(Some(item)),
            Some(_) => Err(Refused::Failure(malformed("its Item is no object"))),
        }
    }

    /// Adds an item whose id is new.
    ///
    /// # Errors
    /// [`Refused::Condition`] when there is one of that id.
    pub fn insert(&self, table: &str, id: &str, item: &Attributes, deadline_boot: Duration) -> Result<(), Refused> {
        let body = json!({
            "TableName": table,
            "Item": item,
            "ConditionExpression": "attribute_not_exists(#id)",
            "ExpressionAttributeNames": {"#id": "id"},
        });
        self.write(PUT_ITEM, &body, deadline_boot, |deadline| self.has(table, id, item, &[], deadline))
    }

    /// Sets attributes of the item that is as it was `before`, and removes others; what is not named stays.
    ///
    /// # Errors
    /// [`Refused::Condition`] when there is no such item.
    pub fn update(
        &self,
        table: &str,
        id: &str,
        before: Before<'_>,
        set: &Attributes,
        remove: &[&str],
        deadline_boot: Duration,
    ) -> Result<(), Refused> {
        let mut names = Map::from_iter([("#id".to_owned(), json!("id")), ("#version".to_owned(), json!("version"))]);
        let mut values = Map::new();
        let (mut sets, mut removes) = (Vec::new(), Vec::new());
        // Each under a name of its own, because `status`, `user`, `ttl` and others are words of the language.
        for (number, (name, value)) in set.iter().filter(|(name, _)| *name != "id").enumerate() {
            names.insert(format!("#s{number}"), json!(name));
            values.insert(format!(":s{number}"), value.clone());
            sets.push(format!("#s{number} = :s{number}"));
        }
        for (number, name) in remove.iter().enumerate() {
            names.insert(format!("#r{number}"), json!(name));
            removes.push(format!("#r{number}"));
        }
        let mut update = format!("SET {}", sets.join(", "));
        if !removes.is_empty() {
            update.push_str(" REMOVE ");
            update.push_str(&removes.join(", "));
        }
        let mut condition = if before.version == 0 {
            "attribute_exists(#id) AND attribute_not_exists(#version)".to_owned()
        } else {
            values.insert(":version".to_owned(), json!({"N": before.version.to_string()}));
            "attribute_exists(#id) AND #version = :version".to_owned()
        };
        if !before.statuses.is_empty() {
            names.insert("#status".to_owned(), json!("status"));
            let mut was = Vec::new();
            for (number, status) in before.statuses.iter().enumerate() {
                values.insert(format!(":was{number}"), json!({"S": status}));
                was.push(format!(":was{number}"));
            }
            condition.push_str(&format!(" AND #status IN ({})", was.join(", ")));
        }
        let body = json!({
            "TableName": table,
            "Key": {"id": {"S": id}},
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        });
        self.write(UPDATE_ITEM, &body, deadline_boot, |deadline| self.has(table, id, set, remove, deadline))
    }

    /// At most `limit` items that the lookup leads to, or of all; `from` is the page before's `next`.
    ///
    /// # Errors
    /// [`Refused::NoIndex`] when the table has not that index.
    pub fn page(
        &self,
        table: &str,
        lookup: Option<Lookup<'_>>,
        limit: usize,
        from: Option<&Value>,
        deadline_boot: Duration,
    ) -> Result<Page, Refused> {
        let mut body = json!({"TableName": table, "Limit": limit});
        let mut add = |name: &str, value: Value| body.as_object_mut().map(|body| body.insert(name.to_owned(), value));
        let target = match lookup {
            Some(Lookup { index, field, value }) => {
                add("IndexName", json!(index));
                add("KeyConditionExpression", json!("#field = :value"));
                add("ExpressionAttributeNames", json!({"#field": field}));
                add("ExpressionAttributeValues", json!({":value": {"S": value}}));
                add("ScanIndexForward", json!(false));
                QUERY
            }
            None => {
                add("ConsistentRead", json!(true));
                SCAN
            }
        };
        if let Some(from) = from {
            add("ExclusiveStartKey", from.clone());
        }
        let mut answer = self.call(target, &body, deadline_boot)?;
        let broken = |why: &str| Refused::Failure(malformed(why));
        let Some(Value::Array(found)) = answer.get_mut("Items").map(Value::take) else {
            return Err(broken("it has no Items"));
        };
        let items = found.into_iter().map(|item| match item {
            Value::Object(item) => Ok(item),
            _ => Err(broken("an item is no object")),
        });
        let items = items.collect::<Result<_, _>>()?;
        Ok(Page { items, next: answer.get_mut("LastEvaluatedKey").map(Value::take).filter(|key| !key.is_null()) })
    }

    /// Writes on a condition. Where an attempt may have been carried out without an answer, the next one fails by what it has
    /// written itself: so `is_there` looks whether our write is what stands there.
    fn write(
        &self,
        target: &'static str,
        body: &Value,
        deadline_boot: Duration,
        is_there: impl FnOnce(Duration) -> Result<bool, Refused>,
    ) -> Result<(), Refused> {
        let keys = self.keys(deadline_boot)?;
        let mut may_be_there = false;
        let mut failed = |failure: &Failure| may_be_there |= json::is_ambiguous(failure);
        let written = self.json.call_watched(target, body, &keys, deadline_boot, &mut failed).map(drop);
        match written.map_err(refused) {
            Err(Refused::Condition) if may_be_there && is_there(deadline_boot)? => Ok(()),
            written => written,
        }
    }

    /// Whether the item is there with these attributes, and without those.
    fn has(
        &self,
        table: &str,
        id: &str,
        set: &Attributes,
        without: &[&str],
        deadline_boot: Duration,
    ) -> Result<bool, Refused> {
        let Some(item) = self.get(table, id, deadline_boot)? else { return Ok(false) };
        Ok(set.iter().all(|(name, value)| item.get(name) == Some(value))
            && without.iter().all(|name| !item.contains_key(*name)))
    }

    fn call(&self, target: &'static str, body: &Value, deadline_boot: Duration) -> Result<Value, Refused> {
        let keys = self.keys(deadline_boot)?;
        self.json.call(target, body, &keys, deadline_boot).map_err(refused)
    }

    fn keys(&self, deadline_boot: Duration) -> Result<Arc<Keys>, Refused> {
        self.keys.keys(deadline_boot).map_err(Refused::Keys)
    }
}

/// What a failure says about the table.
fn refused(failure: Failure) -> Refused {
    let message = failure.message().to_ascii_lowercase();
    match failure.code() {
        "ConditionalCheckFailedException" => Refused::Condition,
        "ValidationException" if message.contains("does not have the specified index") => Refused::NoIndex,
        // moto's words.
        "ResourceNotFoundException" if message.contains("invalid index") => Refused::NoIndex,
        "ResourceNotFoundException" => Refused::NoTable,
        _ => Refused::Failure(failure),
    }
}

/// Whether more time could have helped.
pub fn is_timeout(refused: &Refused) -> bool {
    matches!(refused, Refused::Failure(failure) if failure.kind() == FailureKind::Timeout)
}

/// Whether fewer items could have helped.
pub fn is_too_large(refused: &Refused) -> bool {
    matches!(refused, Refused::Failure(failure) if failure.kind() == FailureKind::TooLarge)
}
