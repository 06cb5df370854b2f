//! Two hubs that are each other's witness, as daemons over HTTPS: one is rolled back, and the other refuses and says so.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use clap::Parser as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use varco_hub::audit::action::Action;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::log;
use varco_hub::audit::{self, AuditEntry};
use varco_hub::cli::arguments::Arguments;
use varco_hub::cli::execute;
use varco_hub::proof::verification::verify;
use varco_hub::running;
use varco_hub::timekeeping::Clock as _;
use varco_hub::tlog::note::NoteKey;
use varco_hub::witnessing::settings::{NewWitness, WitnessFolder};
use varco_hub::witnessing::standing::{self, WitnessStanding};

use crate::signed::lines;
use crate::support::{House, SECOND};

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A hub that witnesses for another, in a folder of its home.
struct Mutual {
    house: House,
    folder: WitnessFolder,
    listens: SocketAddr,
    key: NoteKey,
}

/// A hub that runs.
struct Daemon {
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

fn log_key(house: &House) -> NoteKey {
    log::public_key(&house.home.sealing_key().unwrap()).unwrap()
}

impl Mutual {
    /// The witness of another hub's log.
    fn of(house: House, other: &NoteKey, name: &str) -> Self {
        let folder = WitnessFolder::at(&house.home.root().join("witness"));
        let listens = free();
        let new = NewWitness {
            name: name.to_owned(),
            listen: listens,
            logs: vec![other.clone()],
        };
        let key = folder.init(&new).unwrap();
        Self {
            house,
            folder,
            listens,
            key,
        }
    }

    /// Writes into hub.toml that it witnesses, and that another witnesses it.
    fn name(&self, other: &Self) {
        let file = self.house.home.config_file();
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace(
            "listen = \"127.0.0.1:1\"",
            &format!("listen = \"{}\"", free()),
        );
        let text = format!(
            "{text}\n[witness]\nfolder = \"{}\"\n[[audit.witnesses]]\naddress = \"https://{}\"\nkey = \"{}\"\n\
             ca_file = \"{}\"\n",
            self.house.home.root().join("witness").display(),
            other.listens,
            other.key,
            other.house.home.authority_certificate().display()
        );
        std::fs::write(&file, text).unwrap();
    }

    fn run(&self) -> Daemon {
        self.house.restart();
        let (home, clock) = (self.house.home.clone(), Arc::clone(&self.house.clock));
        let config = home.config().unwrap();
        let beginning = running::begin(&home, &config, clock.now()).unwrap();
        let (stop, stopping) = watch::channel(false);
        let running = tokio::spawn(async move {
            running::run(&home, &config, beginning, clock, stopping)
                .await
                .unwrap();
        });
        Daemon { stop, running }
    }

    fn write(&self, count: usize) {
        let (key, now) = (
            self.house.home.sealing_key().unwrap(),
            self.house.clock.now(),
        );
        let mut main = self.house.home.open_main().unwrap();
        for _ in 0..count {
            let entry =
                AuditEntry::plain(Actor::console(), Action::GatesListed, serde_json::json!({}));
            audit::append_alone(&mut main, &entry, now, &key).unwrap();
        }
    }

    fn standing(&self) -> Option<WitnessStanding> {
        standing::all(&self.house.home.open_main().unwrap())
            .unwrap()
            .pop()
    }

    /// Waits until its witness says something of it.
    async fn until(&self, what: &str, is_so: impl Fn(&WitnessStanding) -> bool) {
        for _ in 0..400 {
            if self.standing().is_some_and(|standing| is_so(&standing)) {
                return;
            }
            tokio::time::sleep(SECOND / 20).await;
        }
        panic!("{what}: {:?}", self.standing());
    }

    async fn cosigned(&self) {
        self.write(1);
        let size = log::size(&self.house.home.open_main().unwrap()).unwrap();
        self.house.clock.advance(SECOND * 61);
        self.until("it is cosigned", |standing| {
            standing.fault.is_none() && standing.size >= size
        })
        .await;
    }

    /// Puts an older copy of the main database in its place.
    fn put_in_place(&self, copy: &std::path::Path) {
        self.house.restart();
        for side in ["sqlite-wal", "sqlite-shm"] {
            std::fs::remove_file(self.house.home.main_database().with_extension(side)).ok();
        }
        std::fs::copy(copy, self.house.home.main_database()).unwrap();
    }

    /// What `varco-hub check` says of it.
    fn checked(&self) -> String {
        let root = self.house.home.root().display().to_string();
        let words = ["varco-hub", "--home", &root, "--json", "check"];
        // The command has a runtime of its own.
        std::thread::scope(|scope| {
            let command = scope.spawn(|| {
                let mut out = Vec::new();
                execute(Arguments::parse_from(words), &mut out).unwrap();
                String::from_utf8(out).unwrap()
            });
            command.join().unwrap()
        })
    }
}

impl Daemon {
    async fn end(self) {
        self.stop.send(true).unwrap();
        self.running.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_part_two_hubs_witness_each_other_and_the_one_that_is_rolled_back_is_refused_and_named()
{
    let (perugia, corciano) = (House::new(), House::new());
    let keys = [&perugia, &corciano].map(log_key);
    let perugia = Mutual::of(perugia, &keys[1], "perugia.example.it");
    let corciano = Mutual::of(corciano, &keys[0], "corciano.example.it");
    perugia.name(&corciano);
    corciano.name(&perugia);
    let (one, two) = (perugia.run(), corciano.run());
    perugia.cosigned().await;
    corciano.cosigned().await;
    assert!(
        perugia
            .checked()
            .contains("no log that it witnesses showed a fork")
    );

    // Corciano's home is copied, goes on, and the copy is put in its place.
    let main = corciano.house.home.open_main().unwrap();
    let copy = corciano.house.home.main_database().with_extension("copy");
    main.execute("VACUUM INTO ?", [copy.to_string_lossy()])
        .unwrap();
    drop(main);
    corciano.write(20);
    corciano.cosigned().await;
    two.end().await;
    corciano.put_in_place(&copy);
    let two = corciano.run();
    let says = |what: &'static str| {
        move |standing: &WitnessStanding| {
            standing
                .fault
                .as_ref()
                .is_some_and(|fault| fault.contains(what))
        }
    };
    corciano
        .until("it is told that it lost lines", says("lines were cut"))
        .await;
    assert_eq!(
        lines(&perugia.house, "witness-refused").len(),
        0,
        "that is no proof yet"
    );
    corciano.write(60);
    corciano.house.clock.advance(SECOND * 61);
    corciano
        .until("it is told that it forked", says("does not continue"))
        .await;

    // Perugia's hub says so in its own audit and when it is checked, and keeps the request.
    let told = lines(&perugia.house, "witness-refused");
    assert_eq!(told[0]["actor_kind"], "hub");
    assert_eq!(told[0]["details"]["log"], keys[1].name());
    assert!(told[0]["details"]["shown"].as_u64() > told[0]["details"]["cosigned"].as_u64());
    let checked = perugia.checked();
    assert!(checked.contains("requests showed a fork"), "{checked}");
    let witness = perugia
        .folder
        .open(&perugia.folder.config().unwrap())
        .unwrap();
    assert!(!witness.evidence().unwrap().is_empty());
    // Its own log goes on, and nothing of it is wrong.
    perugia.cosigned().await;
    one.end().await;
    two.end().await;
    let checked = verify(&perugia.house.home, perugia.house.clock.now()).unwrap();
    assert!(!checked.is_broken(), "{checked:?}");
    assert!(
        verify(&corciano.house.home, corciano.house.clock.now())
            .unwrap()
            .is_broken()
    );
}
