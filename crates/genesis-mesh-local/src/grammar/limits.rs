//! How much work the library may take for a grammar.
//!
//! Owns: the bounds of a compile and of a mask, as the library counts work.
//! Never: bounds a grammar's text; `error` and `schema` do.
//! Why: a request waits for its compile, and all streams wait for a step that a mask is part of.

use llguidance::api::ParserLimits;

/// Nodes of regular expressions. In a text, some thousand optional parts in a row take a time that grows
/// with their square: a third of a second here.
const TEXT_LEXER_FUEL: u64 = 10_000;

/// A schema's patterns are bounded by their bytes; the rest, such as an `enum` of 9,000 numbers, is cheap.
const SCHEMA_LEXER_FUEL: u64 = 150_000;

/// Symbols of the grammar that a text is made into: a fifth of what the library takes by itself, as the text
/// is bounded too.
const GRAMMAR_SYMBOLS_MAX: usize = 100_000;

/// Regular expressions that a mask may make: 2 ms.
const MASK_LEXER_FUEL: u64 = 30_000;

/// Parser items that a mask may make: 5 ms in an ambiguous grammar. Schemas take some hundred.
const MASK_ITEMS_MAX: usize = 4_000;

/// What the library may do for a grammar: a text (Lark, a regular expression), or one made of schemas.
pub(super) fn of(is_text: bool) -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: if is_text { TEXT_LEXER_FUEL } else { SCHEMA_LEXER_FUEL },
        max_grammar_size: GRAMMAR_SYMBOLS_MAX,
        step_lexer_fuel: MASK_LEXER_FUEL,
        step_max_items: MASK_ITEMS_MAX,
        // Messages are for the caller, who has the grammar and its text.
        verbose_errors: false,
        ..ParserLimits::default()
    }
}
