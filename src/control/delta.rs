//! What changed between two states: the top-level fields that differ, each as a whole.

use serde_json::{Map, Value};

/// Both must be objects with the same fields, as a status always is.
pub(super) fn changed(old: &Value, new: &Value) -> Map<String, Value> {
    let fields = new.as_object().into_iter().flatten();
    fields.filter(|(key, value)| old.get(key.as_str()) != Some(value)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

pub(super) fn apply(state: &mut Value, changed: Map<String, Value>) {
    if let Some(fields) = state.as_object_mut() {
        fields.extend(changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn applying_what_changed_gives_the_new_state() {
        let mut state = json!({"a": 1, "b": [1], "c": null});
        let new = json!({"a": 1, "b": [2], "c": {"d": 1}});
        let delta = changed(&state, &new);
        assert_eq!(delta.len(), 2);
        apply(&mut state, delta);
        assert_eq!(state, new);
    }
}
