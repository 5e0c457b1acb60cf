use super::*;

#[test]
fn without_sources_the_default_model_is_served_on_this_machine() {
    let config = Config::load(&Sources::none()).unwrap();
    assert_eq!((config.host(), config.port()), ("127.0.0.1", 8080));
    let names: Vec<&str> = config.models().map(|(name, _)| name).collect();
    assert_eq!(names, ["smollm2"]);
    assert_eq!(config.serve_options(), ServeOptions::default());
}
