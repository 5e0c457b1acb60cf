//! Wrong files, each with the exact words of its mistakes.

use super::mistakes;

/// A wrong file, and what is said of it.
type Case = (&'static str, &'static str);

const KEYS_AND_TYPES: [Case; 19] = [
    ("[server]\nprot = 80", "mesh.toml:2:1: unknown key `prot`; the nearest known key is `port`"),
    ("[servers]\nport = 80", "mesh.toml:1:2: unknown key `servers`; the nearest known key is `server`"),
    (
        "[server.limits]\nheader_byte = 9000",
        "mesh.toml:2:1: unknown key `header_byte`; the nearest known key is `header_bytes`",
    ),
    ("[server]\nport = \"80\"", "mesh.toml:2:8: expected a whole number from 0 to 65535, got a text"),
    ("[server]\nport = 70_000", "mesh.toml:2:8: expected a whole number from 0 to 65535, got 70000"),
    ("[server]\nport = -1", "mesh.toml:2:8: expected a whole number from 0 to 65535, got -1"),
    (
        "[server]\nport = 80.5",
        "mesh.toml:2:8: expected a whole number from 0 to 65535, got a number with a point",
    ),
    ("[server]\nhost = 3", "mesh.toml:2:8: expected a text, got a whole number"),
    ("[server]\nhost = \"\"", "mesh.toml:2:8: expected a text, got an empty one"),
    ("[server]\nhost = 2027-01-31", "mesh.toml:2:8: expected a text, got a date"),
    ("[server]\ninsecure = \"yes\"", "mesh.toml:2:12: expected true or false, got a text"),
    ("[server]\norigins = \"https://a.b\"", "mesh.toml:2:11: expected a list, got a text"),
    ("[server]\norigins = [\"https://a.b\", 4]", "mesh.toml:2:27: expected a text, got a whole number"),
    ("server = 3", "mesh.toml:1:10: expected a table, got a whole number"),
    (
        "[server]\ndrain_seconds = 86_401",
        "mesh.toml:2:17: expected a whole number from 0 to 86400, got 86401",
    ),
    (
        "[server.limits]\nheader_bytes = 1",
        "mesh.toml:2:16: expected a whole number from 8192 to 1048576, got 1",
    ),
    (
        "[telemetry]\nlog_format = \"xml\"",
        "mesh.toml:2:14: expected `auto`, `human` or `json`, got another text",
    ),
    ("models = []", "mesh.toml:1:10: expected a table, got a list"),
    ("[[server]]\nport = 1", "mesh.toml:1:1: expected a table, got a list"),
];

const SYNTAX: [Case; 4] = [
    ("[server\nport = 80", "mesh.toml:1:8: this is not TOML: unclosed table, expected `]`"),
    ("[server]\nport = 80\nport = 81", "mesh.toml:3:1: this is not TOML: duplicate key"),
    (
        "[server]\nport = ",
        "mesh.toml:2:8: this is not TOML: string values must be quoted, expected literal string",
    ),
    ("a = \"ä\" b", "mesh.toml:1:9: this is not TOML: unexpected key or value, expected newline, `#`"),
];

const SERVER: [Case; 7] = [
    (
        "[server]\norigins = [\"https://a.b\", \"a.b\"]",
        "mesh.toml:2:27: expected scheme, host and port alone, as in `https://example.org`, or `null`",
    ),
    ("[server]\ntls_key = \"Cargo.toml\"", "mesh.toml:2:1: `tls_key` needs `tls_cert`"),
    ("[server]\ntls_cert = \"Cargo.toml\"", "mesh.toml:2:1: `tls_cert` needs `tls_key`"),
    (
        "[server]\ntls_cert = \"Cargo.toml\"\ntls_key = \"none.pem\"",
        "mesh.toml:3:1: can't read none.pem: No such file or directory (os error 2)",
    ),
    ("[server]\ntls_cert = \"src\"\ntls_key = \"Cargo.toml\"", "mesh.toml:2:1: src is a folder"),
    (
        "[server]\nhost = \"0.0.0.0\"",
        "mesh.toml:2:1: 0.0.0.0 is reached by other machines, and no keys are asked for: make one with \
         `genesis-mesh keys new --name NAME --append`, or say `--insecure` (`insecure = true`) to let everybody in",
    ),
    (
        "[telemetry]\notlp_endpoint = \"collector:4318\"",
        "mesh.toml:2:1: expected an address of http:// or https://",
    ),
];

const MODELS: [Case; 12] = [
    ("[models.a]", "mesh.toml:1:9: one of `gguf`, `hub`, `builtin`, `script`, `upstream` is missing"),
    (
        "[models.a]\nggf = \"x\"",
        "mesh.toml:1:9: one of `gguf`, `hub`, `builtin`, `script`, `upstream` is missing\n\
         mesh.toml:2:1: unknown key `ggf`; the nearest known key is `gguf`",
    ),
    (
        "[models.a]\nbuiltin = \"smollm2\"\nscript = \"x\"",
        "mesh.toml:3:1: `script` cannot stand beside `builtin`",
    ),
    ("[models.a]\nbuiltin = \"smollm3\"", "mesh.toml:2:11: expected `smollm2`, got another text"),
    (
        "[models.a]\nbuiltin = \"smollm2\"\nthreads = 0",
        "mesh.toml:3:11: expected a whole number from 1 to 65535, got 0",
    ),
    (
        "[models.a]\nbuiltin = \"smollm2\"\napi_key = \"env:X\"",
        "mesh.toml:3:1: `api_key` cannot stand beside `builtin`",
    ),
    (
        "[models.a]\ngguf = \"none.gguf\"",
        "mesh.toml:2:1: can't read none.gguf: No such file or directory (os error 2)",
    ),
    (
        "[models.a]\nscript = \"none.toml\"",
        "mesh.toml:2:1: can't read the script none.toml: No such file or directory (os error 2)",
    ),
    ("[models.a]\nhub = \"just-a-name\"", "mesh.toml:2:1: \"just-a-name\" is no repository"),
    ("[models.a]\nupstream = \"https://a.b/v1\"", "mesh.toml:1:9: `model` is missing"),
    (
        "[models.\"a/b\"]\nbuiltin = \"smollm2\"",
        "mesh.toml:1:9: the name \"a/b\" is not usable in a path; allowed are 1 to 64 of A-Z a-z 0-9 . _ -, the first \
         a letter or digit",
    ),
    ("[models]\na = 3", "mesh.toml:2:5: expected a table, got a whole number"),
];

const AGENTS: [Case; 15] = [
    (
        "[agents.a]\nmodel = \"smollm2\"\nmessages = []",
        "mesh.toml:3:12: expected a list of at least 1, got 0",
    ),
    ("[agents.a]\nprompt = \"x\"", "mesh.toml:1:9: `model` is missing"),
    (
        "[agents.a]\nmodel = \"smolm2\"\nprompt = \"x\"",
        "mesh.toml:2:1: no model is named `smolm2`; the nearest known name is `smollm2`",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nsystem = \"x\"",
        "mesh.toml:3:1: `system` has no effect without `prompt` or `messages`",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nprompt = \"{{ x \"",
        "mesh.toml:3:1: agent `a`: the user template is wrong: syntax error: unexpected end of input, expected end of \
         variable block (in 0:1)",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nprompt = \"{{ x }}\"\ninput_schema = { type = \"object\", properties = { y = {} } }",
        "mesh.toml:4:1: agent `a`: a template reads `x`, which the input schema does not declare",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nprompt = \"x\"\ninput_schema = \"none.json\"",
        "mesh.toml:4:1: expected a table or `file:PATH`, got another text",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nprompt = \"x\"\ninput_schema = \"file:none.json\"",
        "mesh.toml:4:1: can't read none.json: No such file or directory (os error 2)",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nprompt = \"x\"\noutput = \"jsn\"",
        "mesh.toml:4:10: expected `text`, `lines` or `json`, got another text",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nprompt = \"x\"\noutput = { regx = \"x\" }",
        "mesh.toml:4:1: one of `json_schema`, `regex` is missing\n\
         mesh.toml:4:12: unknown key `regx`; the nearest known key is `regex`",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nprompt = \"x\"\ntemperature = 3",
        "mesh.toml:4:15: expected a number from 0.0 to 2.0, got 3",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nprompt = \"x\"\ntop_p = 0",
        "mesh.toml:4:9: expected a number above 0, to 1.0, got 0",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nprompt = \"x\"\nmin_p = nan",
        "mesh.toml:4:9: expected a number from 0.0 to 1.0, got NaN",
    ),
    (
        "[agents.a]\nmodel = \"smollm2\"\nmessages = [{ role = \"usr\", content = \"x\" }]",
        "mesh.toml:3:22: expected `system`, `user` or `assistant`, got another text",
    ),
    (
        "[agents.smollm2]\nmodel = \"smollm2\"\nprompt = \"x\"",
        "mesh.toml:1:9: the name `smollm2` is used more than once; models and agents share their names",
    ),
];

const HASH: &str = "sha256:327013c568df4d8293b75c8816305bee506ff2c0b3007a8c661369da8fae3964";

/// Tables of a key whose hash is right, but for the first.
const KEYS: [Case; 7] = [
    (
        "[[keys]]\nname = \"a\"\nsha256 = \"abc\"",
        "mesh.toml:3:1: expected `sha256:` and 64 hexadecimal digits, as `genesis-mesh keys new` prints them",
    ),
    ("[[keys]]\nsha256 = \"HASH\"", "mesh.toml:1:1: `name` is missing"),
    (
        "[[keys]]\nname = \"a\"\nsha256 = \"HASH\"\n[[keys]]\nname = \"a\"\nsha256 = \"HASH\"",
        "mesh.toml:5:1: a second key has the name `a`",
    ),
    (
        "[[keys]]\nname = \"a\"\nsha256 = \"HASH\"\nscopes = [\"run\", \"all\"]",
        "mesh.toml:4:18: expected `run`, `observe` or `agent:NAME`",
    ),
    (
        "[[keys]]\nname = \"a\"\nsha256 = \"HASH\"\nscopes = [\"agent:smollm\"]",
        "mesh.toml:4:11: no agent is named `smollm`; the nearest known name is `smollm2`",
    ),
    (
        "[[keys]]\nname = \"a\"\nsha256 = \"HASH\"\nexpires = \"tomorrow\"",
        "mesh.toml:4:1: expected a date (`2027-01-31`) or a time with its offset (`2027-01-31T12:00:00Z`)",
    ),
    (
        "[[keys]]\nname = \"a\"\nsha256 = \"HASH\"\nexpires = 2027-01-31T12:00:00",
        "mesh.toml:4:1: expected a date (`2027-01-31`) or a time with its offset (`2027-01-31T12:00:00Z`)",
    ),
];

#[test]
fn each_mistake_is_told_with_its_line_and_column_and_what_would_be_right() {
    let mut wrong = Vec::new();
    let tables: [&[Case]; 6] = [&KEYS_AND_TYPES, &SYNTAX, &SERVER, &MODELS, &AGENTS, &KEYS];
    for (text, expected) in tables.into_iter().flatten() {
        let text = text.replace("HASH", HASH);
        let told = mistakes(&text);
        if told != *expected {
            wrong.push(format!("{text}\n-- expected\n{expected}\n-- told\n{told}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn all_mistakes_of_all_tables_are_told_at_once_in_the_order_of_their_lines() {
    let text = "[server]\nprot = 1\nhost = 2\n[models.a]\nscript = \"none\"\n[agents.b]\nmodel = \"c\"\nprompt = \"{{\"\n\
                [[keys]]\nname = \"d\"\nsha256 = \"e\"\nscopes = [\"f\", \"g\"]";
    let told = mistakes(text);
    let places: Vec<&str> =
        told.lines().map(|line| line.split(':').nth(1).expect("a line and a column")).collect();
    assert_eq!(places, ["2", "3", "5", "7", "8", "11", "12", "12"], "{told}");
}

#[test]
fn a_name_of_a_model_that_is_wrong_itself_is_no_second_mistake() {
    let told = mistakes("[models.a]\nggf = \"x\"\n[agents.b]\nmodel = \"a\"\nprompt = \"x\"");
    assert!(!told.contains("no model is named"), "{told}");
}

#[test]
fn wrong_variables_and_flags_are_told_by_their_names() {
    use super::super::{Config, Sources};
    let sources = Sources::none()
        .text("mesh.toml", "[server]\nport = \"x\"")
        .variable("GENESIS_MESH_STALL_SECONDS", "soon")
        .variable("GENESIS_MESH_LIMITS_BODY_BYTES", "1")
        .set("--port", "server.port", "99999")
        .set("--set server.prot", "server.prot", "1")
        .set("--set server..x", "server..x", "1")
        .set("--set models", "models", "x");
    let told = Config::load(&sources).unwrap_err().to_string();
    let expected = "GENESIS_MESH_LIMITS_BODY_BYTES: expected a whole number from 1024 to 1073741824, got 1\n\
                    GENESIS_MESH_STALL_SECONDS: expected a whole number from 1 to 3600, got a text\n\
                    --port: expected a whole number from 0 to 65535, got 99999\n\
                    --set models: expected a table, got a text\n\
                    --set server..x: expected a key like `server.port`\n\
                    --set server.prot: unknown key `prot`; the nearest known key is `port`";
    assert_eq!(told, expected);
}
