//! The agent and the server are killed at random moments while the tree changes: nothing is lost that either has
//! acknowledged.

use std::time::Duration;

use crate::common::{Agent, Changes, Noise, scaled};
use crate::lab::{Lab, PART, PARTS_IN_FLIGHT};
use crate::s3fake::{Control, Program};

/// Longer than a run takes.
const LONGEST_MILLISECONDS: u64 = 2500;

#[test]
fn agent_and_server_are_killed_at_random_moments_and_the_newest_snapshot_becomes_the_tree() {
    let mut noise = Noise::from_environment("random kills");
    let dir = tempfile::tempdir().unwrap();
    let server = Program::start("serve", dir.path());
    let endpoint = server.endpoint();
    let mut lab = Lab::on(server, &endpoint);
    lab.machine.configure("[run]\nsettle = \"100ms\"\nmax_delay = \"2s\"");
    let mut changes = Changes::new(lab.machine.root(), &lab.machine.at("outside"), Noise::new(noise.next()));
    let (kills, mut received) = (scaled(4, 25), 0);
    for kill in 1..=kills {
        if kill % 3 == 1 {
            lab.write_large();
        }
        (0..10).for_each(|_| changes.one());
        let agent = Agent::spawn(&lab.machine, None);
        std::thread::sleep(Duration::from_millis(noise.below(LONGEST_MILLISECONDS)));
        if kill % 5 == 2 {
            // the server's counts die with it
            received += lab.server.counts().received_bytes();
            lab.server.kill_and_restart();
            std::thread::sleep(Duration::from_millis(noise.below(LONGEST_MILLISECONDS)));
        }
        agent.kill();
    }
    let mut agent = Agent::start(&lab.machine);
    agent.settle();
    agent.stop();
    lab.assert_recovers("random kills");
    received += lab.server.counts().received_bytes();
    let stored: u64 = lab.contents().objects.values().sum();
    eprintln!("{kills} kills: {received} bytes received, {stored} stored");
    assert!(received <= stored + kills * PARTS_IN_FLIGHT * PART, "{received} bytes received, {stored} stored");
}
