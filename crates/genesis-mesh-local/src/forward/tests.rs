//! The forward pass against itself: batch, chunking, prefix reuse, threads and kernels change no bit.

use super::*;
use crate::gguf::Gguf;
use crate::kv::Pages;
use std::time::Instant;

fn load(threads: usize, kernels: &'static Kernels) -> Forward {
    let path = std::env::var("GENESIS_MESH_TEST_MODEL").unwrap();
    let t = Instant::now();
    let file = Gguf::open(std::path::Path::new(&path)).unwrap();
    let weights = Arc::new(Weights::load(&file, 2048, 2).unwrap());
    eprintln!("load {:?}", t.elapsed());
    let limits = ForwardLimits { rows: 256, outputs: 32, positions: 2048, pages: 1024 };
    Forward::new(weights, kernels, Team::new(threads).unwrap(), limits)
}

#[test]
#[ignore]
fn speed() {
    let threads = 2;
    let name = std::env::var("K").unwrap_or("avx512-vnni".into());
    let mut f = load(threads, Kernels::named(&name).unwrap());
    for np in [1usize, 4, 8, 16, 32] {
        let mut pages: Vec<Pages> = (0..np).map(|_| Pages::default()).collect();
        for p in &mut pages { assert!(f.cache().grow(p, 200)); }
        let kern = f.kernels();
        let mut last = vec![0u32; np];
        let t = Instant::now();
        let per = (256 / 64).max(1);
        for c in (0..np).collect::<Vec<_>>().chunks(per) {
            let seqs: Vec<&[u32]> = pages.iter().map(|p| p.ids()).collect();
            let rows: Vec<Row> = c.iter().flat_map(|&s| (0..64).map(move |j| Row { token: 1000 + ((s * 131 + j) * 7919 % 40000) as u32, position: j, sequence: s, output: j == 63 })).collect();
            f.step(&Batch { rows: &rows, sequences: &seqs }, threads);
            let out = std::sync::Mutex::new(vec![0; c.len()]);
            f.each_output(c.len(), threads, &|i, l| out.lock().unwrap()[i] = Forward::argmax(kern, l));
            for (i, &s) in c.iter().enumerate() { last[s] = out.lock().unwrap()[i]; }
        }
        let pf = t.elapsed().as_secs_f64();
        let t = Instant::now();
        for k in 0..127 {
            let seqs: Vec<&[u32]> = pages.iter().map(|p| p.ids()).collect();
            let rows: Vec<Row> = (0..np).map(|s| Row { token: last[s], position: 64 + k, sequence: s, output: true }).collect();
            f.step(&Batch { rows: &rows, sequences: &seqs }, threads);
            let out = std::sync::Mutex::new(vec![0; np]);
            f.each_output(np, threads, &|i, l| out.lock().unwrap()[i] = Forward::argmax(kern, l));
            last = out.into_inner().unwrap();
        }
        let d = t.elapsed().as_secs_f64();
        eprintln!("np {np} prefill {:.0} decode {:.0} last {:?}", (64 * np) as f64 / pf, (127 * np) as f64 / d, &last[..1]);
        for p in &mut pages { f.cache().release(p); }
    }
}
