//! Reading a log: from every cursor, at any time, by as many as like.

use super::world::{SLOW, STORY, Working, World, check, done, follow, kinds, prompt, tale, text, within};
use genesis_mesh::log::{LogEvent, RunStatus};
use genesis_mesh::{FinishReason, RunId, Submission};

#[tokio::test(start_paused = true)]
async fn a_log_begins_with_its_run_tells_the_answer_and_has_one_end() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let run = working.submit(Submission::new("tale", prompt()).thread("t")).await;
    let log = working.log(run).await;
    assert_eq!(kinds(&log), ["run", "delta", "delta", "delta", "delta", "delta", "delta", "delta", "done"]);
    assert_eq!((text(&log).as_str(), done(&log)), (STORY, (FinishReason::Stop, 7)));
    assert_eq!(&*log[0].data, format!("{{\"type\":\"run\",\"run_id\":\"{run}\",\"thread_id\":\"t\"}}"));
    let row = working.row(run).await;
    assert_eq!((row.status, row.last_seq, row.epoch), (RunStatus::Succeeded, 9, 1));
}

#[tokio::test(start_paused = true)]
async fn each_cursor_gives_exactly_the_rest_during_and_after_the_run() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let run = working.submit(Submission::new("tale", prompt())).await;
    working.reached(run, 4).await;
    let during = futures_util::future::join_all((0..=4).map(|after| follow(&working.mesh, run, after))).await;
    let log = working.log(run).await;
    for (after, rest) in during.iter().enumerate() {
        assert_eq!(rest, &log[after..]);
    }
    // A mesh that has never seen the run reads the same.
    let other = world.mesh(tale(SLOW)).await;
    for after in 0..=log.len() {
        for mesh in [&working.mesh, &other] {
            assert_eq!(follow(mesh, run, after as u64).await, &log[after..]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_leaves_and_comes_back_to_its_cursor_misses_nothing() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let run = working.submit(Submission::new("tale", prompt())).await;
    let mut seen: Vec<LogEvent> = Vec::new();
    while seen.last().is_none_or(|event| kinds(std::slice::from_ref(event)) != ["done"]) {
        let after = seen.last().map_or(0, |event| event.seq);
        let mut reader = working.mesh.follow(run, after).await.expect("the run is there");
        for _ in 0..2 {
            seen.extend(within(reader.next()).await.map(|event| event.expect("well")));
        }
        assert!(working.mesh.readers(run) <= 1);
    }
    assert_eq!(working.mesh.readers(run), 0);
    check(&seen);
    assert_eq!(text(&seen), STORY);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_after_the_end_and_a_run_that_is_none_are_refused() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let run = working.submit(Submission::new("tale", prompt())).await;
    working.reached(run, 3).await;
    let error = working.mesh.follow(run, 99).await.expect_err("too far");
    assert_eq!((error.code(), error.is_retryable()), ("cursor_ahead", false));
    let error = working.mesh.follow(RunId(7), 0).await.expect_err("no run");
    assert_eq!(error.code(), "run_not_found");
    assert_eq!(text(&working.log(run).await), STORY);
}

#[tokio::test(start_paused = true)]
async fn readers_of_a_run_that_is_deleted_are_told_so_and_its_work_ends() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let run = working.submit(Submission::new("tale", prompt())).await;
    let mut reader = working.mesh.follow(run, 0).await.expect("the run is there");
    within(reader.next()).await.expect("begins").expect("well");
    assert!(working.mesh.delete_run(run).await.expect("deleted"));
    let last = loop {
        match within(reader.next()).await.expect("an error is the last item") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(last.code(), "run_not_found");
    assert!(within(reader.next()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn readers_on_a_mesh_that_has_ended_are_told_to_read_elsewhere() {
    let world = World::new();
    let working = Working::on(world.mesh(tale(SLOW)).await).await;
    let run = working.submit(Submission::new("tale", prompt())).await;
    let mut reader = working.mesh.follow(run, 0).await.expect("the run is there");
    within(reader.next()).await.expect("begins").expect("well");
    working.kill().await;
    let error = loop {
        match within(reader.next()).await.expect("an error is the last item") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), error.is_retryable()), ("mesh_stopped", true));
}
