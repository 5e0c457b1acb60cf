//! The bad network is bad in the way that it is told to be, and else good.

use super::{Proxy, Weather};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Both ends of a connection through a proxy.
async fn connected() -> (Proxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = Proxy::start(Some(listener.local_addr().unwrap())).await.unwrap();
    let client = TcpStream::connect(proxy.address).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (proxy, client, server)
}

/// Sends a word, and reads it at the other end.
async fn pass(from: &mut TcpStream, to: &mut TcpStream, word: &[u8]) {
    from.write_all(word).await.unwrap();
    let mut read = vec![0; word.len()];
    to.read_exact(&mut read).await.unwrap();
    assert_eq!(read, word);
}

async fn is_reset(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 8]).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

#[tokio::test]
async fn bytes_go_through_both_ways_and_so_does_their_end() {
    let (_proxy, mut client, mut server) = connected().await;
    pass(&mut client, &mut server, b"there").await;
    pass(&mut server, &mut client, b"and back").await;
    let much = vec![7; 1_000_000];
    let (sent, received) = tokio::join!(
        async {
            client.write_all(&much).await.unwrap();
            client.shutdown().await
        },
        async {
            let mut read = Vec::new();
            server.read_to_end(&mut read).await.unwrap();
            read
        }
    );
    sent.unwrap();
    assert!(received == much);
    // One way has ended, the other one goes on.
    pass(&mut server, &mut client, b"still here").await;
}

#[tokio::test]
async fn a_cut_is_a_reset_for_both_ends() {
    let (proxy, mut client, mut server) = connected().await;
    pass(&mut client, &mut server, b"there").await;
    proxy.cut();
    assert!(is_reset(&mut client).await);
    assert!(is_reset(&mut server).await);
}

#[tokio::test]
async fn a_connection_after_a_cut_is_left_alone() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = Proxy::start(Some(listener.local_addr().unwrap())).await.unwrap();
    proxy.cut();
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    pass(&mut client, &mut server, b"there").await;
}

#[tokio::test]
async fn of_a_half_open_connection_the_server_knows_later() {
    let (proxy, mut client, mut server) = connected().await;
    pass(&mut client, &mut server, b"there").await;
    proxy.half_open(Duration::from_secs(3_600));
    assert!(is_reset(&mut client).await);
    server.write_all(b"anybody?").await.unwrap();
    assert_eq!(server.try_read(&mut [0; 8]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

#[tokio::test]
async fn what_is_held_comes_when_the_weather_is_good_again() {
    let (proxy, mut client, mut server) = connected().await;
    proxy.set(Weather { is_up_held: true, ..Weather::default() });
    client.write_all(b"late").await.unwrap();
    // The other way is open, and a round of it shows that the held bytes did not come.
    pass(&mut server, &mut client, b"word").await;
    assert_eq!(server.try_read(&mut [0; 8]).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    proxy.set(Weather::default());
    let mut read = [0; 4];
    server.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"late");
}

#[tokio::test]
async fn without_a_target_whoever_comes_is_reset() {
    let (proxy, ..) = connected().await;
    proxy.lead_to(None);
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    assert!(is_reset(&mut client).await);
}
