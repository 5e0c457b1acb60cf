//! Answers that are cut by the end of a process: they go on at their next token, or begin again and say so.

use super::faulty::FaultyStore;
use super::world::{
    SLOW, SLOW_FORGETS, STORY, Working, World, count, done, kinds, prompt, tale, text, update,
};
use genesis_mesh::{FinishReason, Parser, Pipeline, Submission, Update};

#[tokio::test(start_paused = true)]
async fn a_cut_answer_goes_on_at_its_next_token_wherever_it_was_cut() {
    for cut in 1..=7 {
        let world = World::new();
        let working = Working::on(world.mesh(tale(SLOW)).await).await;
        let run = working.submit(Submission::new("tale", prompt())).await;
        working.reached(run, cut).await;
        working.kill().await;
        let working = Working::on(world.mesh(tale(SLOW)).await).await;
        let log = working.log(run).await;
        assert_eq!((text(&log).as_str(), count(&log, "reset"), count(&log, "delta")), (STORY, 0, 7));
        assert_eq!(done(&log), (FinishReason::Stop, 7), "cut after {cut}");
        assert_eq!(working.row(run).await.epoch, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_cannot_go_on_begins_again_and_tells_one_reset() {
    for cut in 1..=7 {
        let world = World::new();
        let working = Working::on(world.mesh(tale(SLOW_FORGETS)).await).await;
        let run = working.submit(Submission::new("tale", prompt())).await;
        working.reached(run, cut).await;
        working.kill().await;
        let working = Working::on(world.mesh(tale(SLOW_FORGETS)).await).await;
        let log = working.log(run).await;
        assert_eq!((text(&log).as_str(), done(&log)), (STORY, (FinishReason::Stop, 7)));
        // Nothing was said before the first cut, so there is nothing to take back.
        assert_eq!(count(&log, "reset"), usize::from(cut > 1), "{:?}", kinds(&log));
        if cut > 1 {
            let reset = Update::Reset { message: None, attempt: 2 };
            assert_eq!(update(&log[usize::try_from(cut).unwrap()]), reset);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_again_and_again_is_whole_in_the_end() {
    let world = World::new();
    let mut working = Working::on(world.mesh(tale(SLOW)).await).await;
    let run = working.submit(Submission::new("tale", prompt())).await;
    for cut in 2..=7 {
        working.reached(run, cut).await;
        working.kill().await;
        working = Working::on(world.mesh(tale(SLOW)).await).await;
    }
    let log = working.log(run).await;
    assert_eq!((text(&log).as_str(), count(&log, "reset")), (STORY, 0));
    let row = working.row(run).await;
    // It came further each time, so no attempt counts.
    assert_eq!((row.epoch, row.attempt), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_is_cut_parses_the_whole_answer() {
    for script in [SLOW, SLOW_FORGETS] {
        for cut in 0..=9 {
            let world = World::new();
            let parsed = || {
                let pipeline = Pipeline::new("tale").prompt("go").parse(Parser::regex("upon.*was"));
                tale(script).agent("parsed", pipeline)
            };
            let store = FaultyStore::dies_after(&world.store, cut);
            let dying = Working::on(world.mesh_over(parsed(), &store).await).await;
            let run = dying.submit(Submission::new("parsed", serde_json::json!({}))).await;
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            dying.kill().await;
            let working = Working::on(world.mesh(parsed()).await).await;
            let log = working.log(run).await;
            assert_eq!(text(&log), STORY, "{script} {cut}");
            assert_eq!(count(&log, "output"), 1);
            let output = Update::Output { value: serde_json::json!("upon a time there was") };
            assert_eq!(update(&log[log.len() - 2]), output);
            assert_eq!(done(&log), (FinishReason::Stop, 7));
        }
    }
}
