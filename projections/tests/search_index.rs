//! What is in the search index is there once, whatever is written again.

mod workbench;

use countersign_projections::PageRequest;
use countersign_projections::search::{Filter, Scope, Search, SearchIndex};
use devkit::folder::Temporary;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use workbench::*;

#[tokio::test]
async fn what_is_written_again_is_found_once() {
    let folder = Temporary::make().unwrap();
    let origin = origin().unwrap();
    let commits = |from: u64, to: u64| {
        let commits = (from..=to).map(|sequence| submitted(sequence, &format!("c{sequence}")));
        commits.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let mut index = SearchIndex::open(folder.path(), &origin).unwrap();
    assert_eq!(index.write_commits(commits(1, 2)).unwrap(), 4);
    assert_eq!(index.write_commits(commits(1, 2)).unwrap(), 0);
    assert_eq!(index.write_commits(commits(1, 3)).unwrap(), 2);
    drop(index);
    let mut index = SearchIndex::open(folder.path(), &origin).unwrap();
    assert_eq!(index.position().map(|position| position.sequence), Some(3));
    assert_eq!(index.write_commits(commits(2, 4)).unwrap(), 2);

    let (search, watcher) = Search::of(folder.path(), &origin);
    let stopping = CancellationToken::new();
    let mut watching = tokio::task::JoinSet::new();
    watching.spawn(watcher.watch(stopping.clone()));
    search.reached(4, Duration::from_secs(20)).await.unwrap();
    let page = PageRequest { before: None, size: 100 };
    let counted = Filter { facets: true, ..Filter::default() };
    let (found, facets) = search.search(Scope::Every, counted, page).await.unwrap();
    let events: Vec<_> = found.items.iter().map(|hit| hit.event.as_str()).collect();
    let newest =
        ["evt_4_1", "evt_4_0", "evt_3_1", "evt_3_0", "evt_2_1", "evt_2_0", "evt_1_1", "evt_1_0"];
    assert_eq!(events, newest);
    assert_eq!(facets.unwrap().types[0].count, 8);
    let digest = hash(3).to_string();
    let (_, hexadecimal) = digest.rsplit_once(':').unwrap();
    let begins = format!("{}*", hexadecimal.split_at(40).0);
    for (query, expected) in [
        (hash(3).to_string().replace(':', " "), 2),
        (begins, 2),
        (change("c2").to_string().replace('_', " "), 2),
        (format!("entity:{}", change("c2")), 2),
        (format!("actor:{} action:schema.drafted", person("ada")), 4),
        ("evt_1_0".to_owned(), 0),
    ] {
        let filter = Filter { query: query.clone(), ..Filter::default() };
        let (found, _) =
            search.search(Scope::Tenant("acme".to_owned()), filter, page).await.unwrap();
        assert_eq!(found.items.len(), expected, "{query}");
    }
    stopping.cancel();
    watching.join_next().await.unwrap().unwrap().unwrap();
}
