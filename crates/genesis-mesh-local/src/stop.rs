//! The stop matcher: ends a text at the first stop string, which may come in pieces.
//!
//! Owns: the text that is held back because a stop string may begin in it.
//! Never: lets a part of a stop string out, or holds back more than may become one.
//! Flow: the detokenizer's text goes in; what comes out goes to the client.

#[cfg(test)]
mod tests;

/// Ends a text as soon as one of several stop strings is complete.
///
/// If two are complete at the same character, the longer one counts: the text ends before it.
///
/// ```
/// use genesis_mesh_local::stop::StopMatcher;
///
/// let mut matcher = StopMatcher::new(vec!["\nUser:".to_owned()]);
/// assert_eq!(matcher.push("Paris.\nUs").text, "Paris.");
/// let end = matcher.push("er: and");
/// assert_eq!((end.text.as_str(), end.stop), ("", Some(0)));
/// ```
#[derive(Debug, Clone)]
pub struct StopMatcher {
    /// None is empty.
    stops: Vec<(usize, String)>,
    held: String,
    stopped: Option<usize>,
}

/// What a [`StopMatcher`] lets out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Released {
    /// Text that is certainly not part of a stop string.
    pub text: String,
    /// The index of the stop string that ended the text; nothing comes after it.
    pub stop: Option<usize>,
}

impl StopMatcher {
    /// A matcher of `stops`; empty ones never match.
    #[must_use]
    pub fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().enumerate().filter(|(_, stop)| !stop.is_empty()).collect();
        Self { stops, held: String::new(), stopped: None }
    }

    /// Takes the next piece of the text and gives what may be shown now.
    pub fn push(&mut self, text: &str) -> Released {
        if self.stopped.is_some() {
            return Released { text: String::new(), stop: self.stopped };
        }
        self.held.push_str(text);
        if let Some((start, stop)) = self.first_match() {
            self.stopped = Some(stop);
            self.held.truncate(start);
            return Released { text: std::mem::take(&mut self.held), stop: self.stopped };
        }
        let after = self.held.split_off(self.safe_len());
        Released { text: std::mem::replace(&mut self.held, after), stop: None }
    }

    /// Ends the text: gives what was held back, as no stop string came of it.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the first complete stop string begins, and which one it is.
    fn first_match(&self) -> Option<(usize, usize)> {
        let found = self.stops.iter().filter_map(|(index, stop)| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start, *index))
        });
        found.min().map(|(_, start, index)| (start, index))
    }

    /// How many bytes of the held text can't belong to a stop string any more.
    fn safe_len(&self) -> usize {
        let longest = self.stops.iter().map(|(_, stop)| stop.len()).max().unwrap_or(0);
        let earliest = (self.held.len() + 1).saturating_sub(longest);
        let starts = self.held.char_indices().map(|(start, _)| start).rev();
        let may_stop = |start: &usize| {
            let end = self.held.get(*start..).unwrap_or_default();
            self.stops.iter().any(|(_, stop)| stop.starts_with(end))
        };
        starts.take_while(|start| *start >= earliest).filter(may_stop).last().unwrap_or(self.held.len())
    }
}
