//! What the program can be told.

use std::process::{Command, Output};

fn deal(words: &[&str]) -> Output {
    let deal = Command::new(env!("CARGO_BIN_EXE_deal")).args(words).env_clear().output();
    deal.expect("it is built")
}

#[test]
fn its_own_options_are_documented_and_held_to_make_sense() {
    let help = deal(&["--help"]);
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(help.status.success());
    for words in
        ["--deposit-within", "DEPOSIT_WITHIN", "72h", "--hold-within", "HOLD_WITHIN", "24h", "--port"]
    {
        assert!(text.contains(words), "{words} is missing in {text}");
    }
    let nonsense = deal(&["--hold-within=soon", "--database-url=postgres://127.0.0.1:9/none"]);
    let text = String::from_utf8_lossy(&nonsense.stderr);
    assert_eq!(nonsense.status.code(), Some(2));
    assert!(text.contains("--hold-within") && text.contains("expected a time like"), "{text}");
}
