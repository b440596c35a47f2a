//! Takes what a person restricted out of what others are shown: entries of logs and findings name other items than the one that they
//! are shown with. The log's own bytes stay as they are; this is about pages alone.

use serde_json::Value;

use super::OfficeError;
use super::index::Index;
use crate::model::EvidenceId;

/// Characters of an id as logs and keys have it.
const ID: usize = 36;

/// What is left of a value without the parts that name a restricted item; `None`: nothing. `own`: the item that it is shown with.
pub fn without(
    index: &Index,
    own: Option<EvidenceId>,
    value: Value,
) -> Result<Option<Value>, OfficeError> {
    let mut hidden = |id| Ok(own != Some(id) && index.is_restricted(id)?);
    cut(value, &mut hidden)
}

/// A text that names one goes, and an object with one of its own, as far as a list has it; other fields are left.
fn cut(
    value: Value,
    hidden: &mut impl FnMut(EvidenceId) -> Result<bool, OfficeError>,
) -> Result<Option<Value>, OfficeError> {
    Ok(Some(match value {
        Value::String(text) => {
            for id in ids(&text) {
                if hidden(id)? {
                    return Ok(None);
                }
            }
            Value::String(text)
        }
        Value::Array(all) => {
            let mut left = Vec::with_capacity(all.len());
            for one in all {
                left.extend(cut(one, hidden)?);
            }
            Value::Array(left)
        }
        Value::Object(fields) => {
            let mut left = serde_json::Map::new();
            for (name, field) in fields {
                // What names one beside other things, such as its path, says too much with all of them.
                let lists = field.is_array() || field.is_object();
                match cut(field, hidden)? {
                    Some(field) => {
                        left.insert(name, field);
                    }
                    None if lists => {}
                    None => return Ok(None),
                }
            }
            Value::Object(left)
        }
        other => other,
    }))
}

/// The ids in a text, such as a key in the bucket.
fn ids(text: &str) -> impl Iterator<Item = EvidenceId> {
    let starts = 0..=text.len().saturating_sub(ID);
    let bytes = text.as_bytes();
    let likely = |at: &usize| bytes.get(at + 8) == Some(&b'-') && bytes.get(at + 13) == Some(&b'-');
    let likely = starts.filter(likely);
    likely.filter_map(|at| text.get(at..at + ID)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_names_a_restricted_item_goes_and_the_rest_stays() {
        let [hidden, shown] = [(); 2].map(|()| EvidenceId::new());
        let left = |value| cut(value, &mut |id| Ok(id == hidden)).unwrap_or_default();
        let files = json!([{"evidence": hidden, "path": "A"}, {"evidence": shown, "path": "B"}]);
        let entry = json!({"event": "item.held", "data": {"files": files, "count": 2}});
        let rest = json!([{"evidence": shown, "path": "B"}]);
        assert_eq!(
            left(entry),
            Some(json!({"event": "item.held", "data": {"files": rest, "count": 2}}))
        );
        let key = format!("evidence/one/{hidden}/original");
        assert_eq!(left(json!({"key": key, "what": "missing"})), None);
        let about = json!({"evidence": hidden, "action": "evidence.viewed"});
        assert_eq!(
            left(json!({"event": "operator.action", "data": about})),
            Some(json!({"event": "operator.action"}))
        );
        for harmless in [json!(7), json!("é".repeat(40)), json!(""), json!(null)] {
            assert_eq!(left(harmless.clone()), Some(harmless));
        }
    }
}
