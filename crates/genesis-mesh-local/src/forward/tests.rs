//! The forward pass against itself and against llama.cpp.
//!
//! Needs the default model: `GENESIS_MESH_TEST_MODEL` names it, as `make test` does.

use super::*;
use crate::gguf::Gguf;
use crate::kv::Pages;
use crate::quant::BlockType;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const ROWS: usize = 64;
const POSITIONS: usize = 1024;

/// The default model's path; without one, tests that need it are passed over, but never in CI.
pub(crate) fn model_path() -> Option<PathBuf> {
    let path = std::env::var_os("GENESIS_MESH_TEST_MODEL").map(PathBuf::from);
    assert!(
        path.is_some() || std::env::var_os("CI").is_none(),
        "GENESIS_MESH_TEST_MODEL is not set: run `make test`"
    );
    if path.is_none() {
        eprintln!("skipped: GENESIS_MESH_TEST_MODEL is not set; `make test` sets it");
    }
    path
}

fn load(path: &Path) -> Arc<Weights> {
    let file = Gguf::open(path).unwrap();
    let mut weights = Weights::load(&file, 2).unwrap();
    weights.rotate_up_to(&file, POSITIONS).unwrap();
    Arc::new(weights)
}

fn forward(weights: &Arc<Weights>, kernels: &'static Kernels, threads: usize) -> Forward {
    let limits = ForwardLimits { rows: ROWS, outputs: 64, positions: POSITIONS, pages: 200 };
    Forward::new(Arc::clone(weights), kernels, Team::new(threads).unwrap(), limits)
}

/// The logits of the outputs of one step, as bits.
fn step(forward: &mut Forward, rows: &[Row], sequences: &[&[u32]], width: usize) -> Vec<Vec<u32>> {
    forward.step(&Batch { rows, sequences }, width);
    let count = rows.iter().filter(|row| row.output).count();
    let out = Mutex::new(vec![Vec::new(); count]);
    forward.each_output(count, width, &|output, logits| {
        out.lock().unwrap()[output] = logits.iter().map(|logit| logit.to_bits()).collect();
    });
    out.into_inner().unwrap()
}

/// The logits after every token of `tokens`, alone, in chunks of `chunk`.
fn alone(forward: &mut Forward, tokens: &[u32], chunk: usize, width: usize) -> Vec<Vec<u32>> {
    let mut pages = Pages::default();
    assert!(forward.cache().grow(&mut pages, tokens.len()));
    let mut logits = Vec::new();
    for (index, part) in tokens.chunks(chunk).enumerate() {
        let row = |(i, &token): (usize, &u32)| Row {
            token,
            position: index * chunk + i,
            sequence: 0,
            output: true,
        };
        let rows: Vec<Row> = part.iter().enumerate().map(row).collect();
        logits.extend(step(forward, &rows, &[pages.ids()], width));
    }
    forward.cache().release(&mut pages);
    logits
}

fn tokens(seed: u32, len: u32) -> Vec<u32> {
    (0..len).map(|i| (seed * 131 + i) * 7919 % 40_000 + 17).collect()
}

#[test]
fn chunks_threads_and_kernels_change_no_bit_of_the_logits() {
    let Some(path) = model_path() else { return };
    let weights = load(&path);
    let prompt = tokens(1, 40);
    let expected = alone(&mut forward(&weights, Kernels::available()[0], 1), &prompt, 40, 1);
    assert!(expected.iter().flatten().all(|bits| f32::from_bits(*bits).is_finite()));
    for kernels in Kernels::available() {
        for (threads, chunk) in [(2, 1), (3, 7), (1, 16), (2, 33)] {
            let mut forward = forward(&weights, kernels, threads);
            let found = alone(&mut forward, &prompt, chunk, threads);
            assert!(found == expected, "{} on {threads} threads, chunks of {chunk}", kernels.name);
        }
    }
}

#[test]
fn neighbours_in_the_batch_and_a_reused_prefix_change_no_bit_of_the_logits() {
    let Some(path) = model_path() else { return };
    let weights = load(&path);
    let mut forward = forward(&weights, Kernels::available()[0], 2);
    let prompts: Vec<Vec<u32>> = (0..6).map(|seed| tokens(seed / 2, 20 + seed)).collect();
    let expected: Vec<Vec<Vec<u32>>> =
        prompts.iter().map(|prompt| alone(&mut forward, prompt, 64, 2)).collect();
    // Two rounds: the second finds the first one's pages.
    for round in 0..2 {
        let mut pages = Vec::new();
        let mut done = Vec::new();
        for prompt in &prompts {
            let (mut own, reused) = forward.cache().take_prefix(prompt);
            assert_eq!(reused > 0, round > 0);
            assert!(forward.cache().grow(&mut own, prompt.len()));
            pages.push(own);
            done.push(reused);
        }
        while done.iter().zip(&prompts).any(|(done, prompt)| *done < prompt.len()) {
            let mut rows = Vec::new();
            let mut wanted = Vec::new();
            for (sequence, prompt) in prompts.iter().enumerate() {
                // Uneven shares: sequence `i` takes `i + 1` rows a step.
                let share = prompt.iter().enumerate().skip(done[sequence]).take(sequence + 1);
                for (position, &token) in share {
                    rows.push(Row { token, position, sequence, output: true });
                    wanted.push((sequence, position));
                    done[sequence] += 1;
                }
            }
            let ids: Vec<&[u32]> = pages.iter().map(Pages::ids).collect();
            for ((sequence, position), logits) in wanted.into_iter().zip(step(&mut forward, &rows, &ids, 2)) {
                assert!(logits == expected[sequence][position], "sequence {sequence}, position {position}");
            }
        }
        for (pages, prompt) in pages.iter_mut().zip(&prompts) {
            forward.cache().register(pages, prompt, prompt.len());
            forward.cache().release(pages);
        }
    }
}

/// What llama.cpp gave, teacher-forced; made by `scripts/golden/make_golden.py`.
struct Golden {
    tokens: Vec<u32>,
    argmax: Vec<u32>,
    margin: Vec<f32>,
    window: usize,
}

fn golden(name: &str) -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let numbers =
        |key: &str| json[key].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect::<Vec<_>>();
    Golden {
        tokens: numbers("tokens").into_iter().map(|n| n as u32).collect(),
        argmax: numbers("argmax").into_iter().map(|n| n as u32).collect(),
        margin: numbers("top2_margin").into_iter().map(|n| n as f32).collect(),
        window: json["window"].as_u64().unwrap() as usize,
    }
}

/// Agreement with llama.cpp: 97 % of argmaxes, and no disagreement but on a near tie.
fn agrees_with_llama_cpp(path: &Path, name: &str) {
    let golden = golden(name);
    assert!(golden.tokens.len() >= 400);
    let mut forward = forward(&load(path), Kernels::available()[0], 2);
    let windows = golden.tokens.chunks(golden.window);
    let found: Vec<u32> = windows
        .flat_map(|window| alone(&mut forward, window, ROWS, 2))
        .map(|logits| logits.into_iter().map(f32::from_bits).enumerate())
        .map(|logits| logits.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0 as u32)
        .collect();
    let differing: Vec<f32> =
        (0..found.len()).filter(|&i| found[i] != golden.argmax[i]).map(|i| golden.margin[i]).collect();
    let share = 1.0 - differing.len() as f64 / found.len() as f64;
    eprintln!(
        "{name}: {} of {} argmaxes agree, margins of the others {differing:?}",
        found.len() - differing.len(),
        found.len()
    );
    assert_eq!(found.len(), golden.argmax.len());
    assert!(share >= 0.97, "{name}: {share}");
    assert!(differing.iter().all(|margin| *margin < 1.0), "{name}: {differing:?}");
}

#[test]
fn q4_1_agrees_with_llama_cpp() {
    let Some(path) = model_path() else { return };
    agrees_with_llama_cpp(&path, "smollm2-q4_1.json");
}

#[test]
fn k_quants_agree_with_llama_cpp() {
    let Some(path) = model_path() else { return };
    let directory = tempfile::tempdir().unwrap();
    for (block_type, name) in [(BlockType::Q4K, "smollm2-q4_k.json"), (BlockType::Q6K, "smollm2-q6_k.json")] {
        let repacked = directory.path().join(name);
        let (writer, changed) = Gguf::open(&path)
            .unwrap()
            .repack(block_type)
            .map(|(w, c)| {
                let mut bytes = Vec::new();
                w.write(&mut bytes).unwrap();
                (bytes, c)
            })
            .unwrap();
        assert!(changed >= 30);
        std::fs::write(&repacked, writer).unwrap();
        agrees_with_llama_cpp(&repacked, name);
    }
}
