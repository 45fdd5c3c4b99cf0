use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use local_sts::{LocalSts, TlsVersions, World};

use crate::support::Stage;

fn tls_stage(versions: TlsVersions) -> Stage {
    Stage::of(LocalSts::start_tls(World::two_accounts(), versions).expect("local STS starts"))
}

#[test]
fn tls_1_2_and_1_3_with_a_ca_bundle() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let stage = tls_stage(versions);
        let bundle = stage.write("ca.pem", stage.sts.ca_pem().expect("TLS"));
        stage.credvend(&["export"]).env("AWS_CA_BUNDLE", &bundle).end().succeeded();
        let untrusted = stage.credvend(&["export", "--timeout", "1s"]).end();
        untrusted.failed(5, &["certificate"]);
    }
}

#[test]
fn a_profile_s_ca_bundle_counts_for_it_alone() {
    let stage = tls_stage(TlsVersions::Both);
    let bundle = stage.write("ca.pem", stage.sts.ca_pem().expect("TLS"));
    let config = format!("{}ca_bundle = {}\n", crate::profiles::CROSS_ACCOUNT, bundle.display());
    stage.with_config(&["export", "--profile", "account_a_role"], &config).end().succeeded();
}

#[test]
fn a_bundle_that_is_none_exits_2() {
    let stage = Stage::new();
    let bundle = stage.write("ca.pem", "nothing");
    stage.credvend(&["export"]).env("AWS_CA_BUNDLE", &bundle).end().failed(2, &["ca.pem", "AWS_CA_BUNDLE"]);
    stage.credvend(&["run"]).env("AWS_CA_BUNDLE", stage.path("absent")).end().failed(2, &["absent"]);
}

#[test]
fn proxies_are_used_unless_no_proxy_names_the_host() {
    let stage = Stage::new();
    let proxy = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://{}", proxy.local_addr().expect("an address"));
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().expect("a connection");
        let mut head = [0; 256];
        let length = stream.read(&mut head).expect("a request");
        let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    let ended = stage.credvend(&["export", "--timeout", "1s"]).env("HTTP_PROXY", &url).end();
    ended.failed(5, &["HTTP 502", "prox"]);
    assert!(asked.join().expect("asked").starts_with(&format!("POST {}", stage.sts.url())));
    assert_eq!(stage.actions(), [""; 0]);

    stage.credvend(&["export"]).env("HTTP_PROXY", &url).env("NO_PROXY", "127.0.0.1").end().succeeded();
    stage.credvend(&["export"]).env("HTTPS_PROXY", &url).end().succeeded();
}
