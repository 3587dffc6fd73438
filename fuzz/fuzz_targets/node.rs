//! Tree nodes: whatever decodes encodes to bytes that decode to the same node.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rozen::tree::Node;

fuzz_target!(|data: &[u8]| {
    if let Ok(node) = Node::decode(data) {
        assert!(Node::decode(&node.encode()).is_ok_and(|again| again == node));
    }
});
