//! Which of a repository's GGUF files is meant when none is named.
//!
//! Owns: the order of preference, and which files are no language models of their own.
//! Never: looks into a file; names are all that a repository tells.

use super::HubFault;
use super::name::is_file;

/// Packings from the best compromise on: size against loss first, then what is larger, then plain numbers. All of
/// them are read by the engine; others are taken only if they are named, or the only ones.
pub(super) const PREFERENCE: [&str; 16] = [
    "Q4_K_M", "Q4_0", "Q8_0", "Q4_K_S", "Q4_K", "Q4_1", "Q5_K_M", "Q5_K_S", "Q5_K", "Q5_0", "Q5_1", "Q6_K",
    "BF16", "F16", "FP16", "F32",
];

/// Parts of the names of files that go with a model: projectors for images, statistics for quantising.
const COMPANIONS: [&str; 2] = ["mmproj", "imatrix"];

/// The only GGUF file of `files`, or the best of several.
///
/// # Errors
/// `NoChoice`: there is none, or the order does not tell.
pub(super) fn best(mut files: Vec<String>) -> Result<String, HubFault> {
    files.retain(|file| is_file(file));
    files.sort();
    let whole: Vec<&String> = files.iter().filter(|file| !is_companion(file) && !is_split(file)).collect();
    if let [only] = whole.as_slice() {
        return Ok((*only).clone());
    }
    for packing in PREFERENCE {
        match whole.iter().filter(|file| has_label(file, packing)).collect::<Vec<_>>().as_slice() {
            [] => {}
            [only] => return Ok((**only).clone()),
            _ => break,
        }
    }
    Err(HubFault::NoChoice { files })
}

fn is_companion(file: &str) -> bool {
    let name = file.to_ascii_lowercase();
    COMPANIONS.iter().any(|part| name.contains(part))
}

/// Whether the name is that of one part of a split model: `…-00001-of-00003.gguf`.
fn is_split(file: &str) -> bool {
    let stem = file.get(..file.len().saturating_sub(".gguf".len())).unwrap_or_default();
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = stem.rsplit('-');
    let (count, of, index) = (parts.next(), parts.next(), parts.next());
    count.is_some_and(is_number) && of == Some("of") && index.is_some_and(is_number)
}

/// Whether `label` stands in the file's name as a word of its own; case does not count.
fn has_label(file: &str, label: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_uppercase();
    name.match_indices(label).any(|(start, _)| {
        let before = name.get(..start).and_then(|text| text.chars().next_back());
        let after = name.get(start + label.len()..).and_then(|text| text.chars().next());
        before.is_none_or(|c| !c.is_ascii_alphanumeric())
            && after.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_')
    })
}
