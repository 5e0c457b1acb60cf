//! What a route needs: nothing, the right to observe, or the right to run.
//!
//! Owns: the table of open routes; every route that it does not name needs a key that may run something.
//! Never: judges a key.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Open to everybody: what a person or a load balancer asks before there is a key.
    Nothing,
    Observe,
    Run,
}

impl Need {
    /// The need of a path as it stands in the request: the router compares raw paths too.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/" | "/page.js" | "/page.css" | "/health" | "/ready" | "/docs" | "/openapi.json"
            | "/asyncapi.json" => Self::Nothing,
            "/metrics" | "/info" => Self::Observe,
            path if path.starts_with("/docs/") => Self::Nothing,
            _ => Self::Run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_paths_are_open() {
        for path in ["/", "/page.js", "/health", "/ready", "/docs", "/docs/", "/docs/a/b.js", "/openapi.json"]
        {
            assert_eq!(Need::of(path), Need::Nothing, "{path}");
        }
        assert_eq!((Need::of("/metrics"), Need::of("/info")), (Need::Observe, Need::Observe));
        for path in ["/ws/a", "/v1/models", "/docsx", "/Health", "/health/", "//", "/metrics/", "/%64ocs", ""]
        {
            assert_eq!(Need::of(path), Need::Run, "{path}");
        }
    }
}
