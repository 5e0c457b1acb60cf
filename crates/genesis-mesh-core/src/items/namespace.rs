//! Namespaces of items: one or more labels, from the widest to the narrowest.
//!
//! Owns: which labels there may be; a namespace that exists is valid.
//! Never: knows the namespaces of graphs, which are texts of another form.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where an item is: labels that are not empty and have no periods, which join them in requests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct ItemNamespace(Vec<String>);

/// A namespace that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamespaceError {
    /// It has no labels.
    #[error("a namespace has at least one label")]
    Empty,
    /// A label is empty or has a period.
    #[error("the label `{label}` of a namespace must be a text that is not empty and has no periods")]
    Label {
        /// The label.
        label: String,
    },
}

impl NamespaceError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "namespace_invalid"
    }

    /// Whether the same namespace may be valid later: never.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl ItemNamespace {
    /// The namespace of these labels.
    ///
    /// # Errors
    /// There are none, or one can't be a label.
    pub fn new(labels: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, NamespaceError> {
        let labels: Vec<String> = labels.into_iter().map(Into::into).collect();
        if labels.is_empty() {
            return Err(NamespaceError::Empty);
        }
        match labels.iter().find(|label| label.is_empty() || label.contains('.')) {
            Some(label) => Err(NamespaceError::Label { label: label.clone() }),
            None => Ok(Self(labels)),
        }
    }

    /// Its labels; never none.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.0
    }

    /// The first `depth` labels of it.
    #[must_use]
    pub fn cut(&self, depth: usize) -> Option<Self> {
        let labels = self.0.get(..depth.min(self.0.len()))?;
        (!labels.is_empty()).then(|| Self(labels.to_vec()))
    }

    /// Whether it begins with the labels of `pattern`, in which `*` stands for any one.
    #[must_use]
    pub fn begins_with(&self, pattern: &[String]) -> bool {
        self.0.len() >= pattern.len() && self.0.iter().zip(pattern).all(|(label, wanted)| fits(label, wanted))
    }

    /// Whether it ends with the labels of `pattern`, in which `*` stands for any one.
    #[must_use]
    pub fn ends_with(&self, pattern: &[String]) -> bool {
        let pairs = self.0.iter().rev().zip(pattern.iter().rev());
        self.0.len() >= pattern.len() && pairs.into_iter().all(|(label, wanted)| fits(label, wanted))
    }
}

fn fits(label: &str, wanted: &str) -> bool {
    wanted == "*" || label == wanted
}

impl TryFrom<Vec<String>> for ItemNamespace {
    type Error = NamespaceError;

    fn try_from(labels: Vec<String>) -> Result<Self, NamespaceError> {
        Self::new(labels)
    }
}

impl From<ItemNamespace> for Vec<String> {
    fn from(namespace: ItemNamespace) -> Self {
        namespace.0
    }
}

impl fmt::Display for ItemNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}
