//! Somebody between the sealer and a witness, who forges answers: a refusal without evidence stops nobody, and what the
//! witness really cosigned is evidence whoever hands it on.

use crate::witness::{Witness, policy_with};
use crate::witnessed::{PATIENCE, shown, stops, until_shown};
use crate::world::World;
use anyhow::Context as _;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is answered in place of the witness: a status and a body.
type Forged = Option<(u16, String)>;

#[derive(Clone)]
struct Between {
    witness: String,
    http: reqwest::Client,
    refusal: Arc<Mutex<Forged>>,
    shown: Arc<Mutex<Forged>>,
    refused: Arc<Mutex<u32>>,
}

fn locked<T: Clone>(value: &Mutex<T>) -> T {
    value.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set<T>(value: &Mutex<T>, to: T) {
    *value.lock().unwrap_or_else(PoisonError::into_inner) = to;
}

impl Between {
    /// Listens before a witness; the sealer that is given its address speaks to nobody else.
    async fn listen(witness: &mut Witness, refusal: Forged, shown: Forged) -> anyhow::Result<Self> {
        let between = Self {
            witness: witness.url(),
            http: reqwest::Client::builder().no_proxy().build()?,
            refusal: Arc::new(Mutex::new(refusal)),
            shown: Arc::new(Mutex::new(shown)),
            refused: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        witness.reached_at(format!("http://{}", listener.local_addr()?));
        let serving = between.clone();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A sealer that is killed breaks off; the next one connects anew.
                serving.answer(stream).await.ok();
            }
        });
        Ok(between)
    }

    /// One request and one answer.
    async fn answer(&self, mut stream: TcpStream) -> anyhow::Result<()> {
        let mut read = Vec::new();
        let (head, body) = loop {
            anyhow::ensure!(stream.read_buf(&mut read).await? > 0, "it broke off");
            let text = String::from_utf8_lossy(&read).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if body.len() >= length.unwrap_or_default() {
                break (head.to_owned(), body.to_owned());
            }
        };
        let path = head.split(' ').nth(1).context("a path")?;
        let (status, text) = self.decided(path, body).await;
        let length = text.len();
        let head =
            format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(text.as_bytes()).await?;
        Ok(stream.shutdown().await?)
    }

    async fn decided(&self, path: &str, body: String) -> (u16, String) {
        let url = format!("{}{path}", self.witness);
        let (forged, request) = if path == "/add-checkpoint" {
            (locked(&self.refusal), self.http.post(url).body(body))
        } else {
            (locked(&self.shown), self.http.get(url))
        };
        if let Some(forged) = forged {
            if path == "/add-checkpoint" {
                set(&self.refused, self.refused() + 1);
            }
            return forged;
        }
        let Ok(answer) = request.send().await else { return (502, String::new()) };
        (answer.status().as_u16(), answer.text().await.unwrap_or_default())
    }

    fn tell(&self, refusal: Forged, shown: Forged) {
        set(&self.shown, shown);
        set(&self.refusal, refusal);
        set(&self.refused, 0);
    }

    /// How often it refused since the last time that it was told what to say.
    fn refused(&self) -> u32 {
        locked(&self.refused)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_evidence_delays_a_quorum_and_stops_nobody() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut witness = Witness::new(world.folder.path(), "w.witness", 21).await?;
    let _running = witness.start().await?;
    let trusted = policy_with(&[&witness], 1)?;
    let between = Between::listen(&mut witness, None, None).await?;
    let start = |name: &str| world.sealer_before(name, &world.archive_dir, 1, &[&witness]);
    let first = start("first")?;
    let last = world.grow("a", 10).await?;
    let before = until_shown(&world, &first, &trusted, last).await?;
    let genuine = witness.checkpoint().await?.map(|note| note.to_string()).unwrap_or_default();
    let unsigned = genuine.replace("w.witness", "x.witness");
    let mut running = first;
    for (n, (refusal, shown_by_it)) in [
        ((422, String::new()), None),
        ((409, String::new()), None),
        ((409, "9000\n".to_owned()), None),
        ((422, String::new()), Some((404, String::new()))),
        ((422, String::new()), Some((200, genuine.clone()))),
        ((422, String::new()), Some((200, unsigned))),
        ((409, "9000\n".to_owned()), Some((200, genuine.replace("\n2", "\n9")))),
        ((409, "9000\n".to_owned()), Some((200, "x".repeat(70_000)))),
    ]
    .into_iter()
    .enumerate()
    {
        between.tell(Some(refusal), shown_by_it);
        // A start is no other moment than any.
        running.kill().await;
        running = start(&format!("lied-to-{n}"))?;
        let last = world.grow(&format!("b{n}"), 3).await?;
        world.until_sealed(&running, last).await?;
        let heard = running.until(PATIENCE, || async { (between.refused() > 1).then_some(()) });
        heard.await?;
        let told = running.until(PATIENCE, || async {
            let is_told = running.log_text().contains("claims another history without proof");
            is_told.then_some(())
        });
        told.await?;
        let still = shown(&world).await?.map(|note| note.claim().head());
        assert_eq!(still, Some(before.head()));
    }
    // Nothing was lost by it: the lies end, and the witness goes on where it was.
    between.tell(None, None);
    let last = world.grow("c", 3).await?;
    until_shown(&world, &running, &trusted, last).await?;
    world.check_archive().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_with_evidence_stops_the_sealer() -> anyhow::Result<()> {
    let world = World::new().await?;
    let mut witness = Witness::new(world.folder.path(), "w.witness", 21).await?;
    let _running = witness.start().await?;
    let trusted = policy_with(&[&witness], 1)?;
    let between = Between::listen(&mut witness, None, None).await?;
    let sealer = world.sealer_before("true", &world.archive_dir, 1, &[&witness])?;
    let last = world.grow("true", 20).await?;
    until_shown(&world, &sealer, &trusted, last).await?;
    sealer.kill().await;
    let other = World::new().await?;
    let last = other.grow("other", 40).await?;
    let alone = other.sealer("alone")?;
    other.until_sealed(&alone, last).await?;
    alone.kill().await;
    // Whatever the refusal says: the note that the witness shows counts.
    between.tell(Some((422, String::new())), None);
    let forked = other.sealer_before("forked", &other.archive_dir, 1, &[&witness])?;
    stops(&forked, "it cosigned another history, a fork").await?;
    let text = forked.log_text();
    // Both notes are in its log: together they are the proof.
    assert!(text.contains("\"theirs\":\"sealed.log") && text.contains("\"ours\":\"sealed.log"));
    Ok(())
}
