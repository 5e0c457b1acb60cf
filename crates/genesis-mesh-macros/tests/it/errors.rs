//! What the compiler says of mistakes; each file in `tests/ui` has its text beside it.

#[test]
fn mistakes_are_told_in_the_words_of_states() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
