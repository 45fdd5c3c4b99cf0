//! Server certificates that are accepted or refused, and the messages.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use local_sts::{LocalSts, ServerCertificate, World};

use crate::support::{Ended, Stage};

/// A server certificate, its key, and its P-521 authority.
const P521: &str = include_str!("p521.pem");

fn stage(certificate: ServerCertificate<'_>) -> Stage {
    Stage::with_sts(LocalSts::start_with_certificate(World::two_accounts(), certificate).expect("start local STS"))
}

/// Runs `export` and `check` with this CA bundle, or with the built-in roots if it is empty.
fn runs(stage: &Stage, bundle: &str) -> [Ended; 2] {
    [&["export", "--timeout", "1s"][..], &["check"]].map(|command| {
        let mut command = stage.credvend(command);
        if !bundle.is_empty() {
            command = command.env("AWS_CA_BUNDLE", stage.write("ca.pem", bundle));
        }
        command.end()
    })
}

/// Asserts that `export` names the words in its last line, that `check` names them, and that neither shows debug output.
#[track_caller]
fn assert_refused(stage: &Stage, bundle: &str, words: &[&str]) {
    let [export, check] = runs(stage, bundle);
    export.failed(5, words);
    assert_eq!(check.code, Some(5), "{check:?}");
    for output in [export.last_line(), &check.stdout] {
        assert!(words.iter().all(|word| output.contains(word)), "{words:?}: {output}");
        let debug = ["Other", "Error", "Alert", "{ ", "Context", "UnknownIssuer", "[6,"];
        assert!(debug.iter().all(|debug| !output.contains(debug)), "{output}");
    }
}

#[track_caller]
fn assert_accepted(stage: &Stage, bundle: &str) {
    for ended in runs(stage, bundle) {
        ended.succeeded();
    }
}

/// Returns the PEM blocks of a text: the server's certificate, its key and the authority.
fn blocks(text: &str) -> Vec<String> {
    let blocks = text.split("-----BEGIN ").skip(1);
    blocks.map(|block| format!("-----BEGIN {block}")).collect()
}

#[test]
fn the_last_line_of_every_command_tells_what_to_do_about_an_untrusted_certificate() {
    let stage = stage(ServerCertificate::Usual);
    assert_refused(&stage, "", &["not signed by a trusted certificate authority", "set AWS_CA_BUNDLE"]);
    for command in [
        &["process", "--timeout", "1s"][..],
        &["exec", "--timeout", "1s", "--", "true"],
        &["run", "--once", "--timeout", "1s", "--credentials-file", "FILE"],
    ] {
        let file = stage.path("credentials").display().to_string();
        let command: Vec<_> = command.iter().map(|word| if *word == "FILE" { &file } else { *word }).collect();
        stage.credvend(&command).end().failed(5, &["not signed by a trusted", "set AWS_CA_BUNDLE"]);
    }
}

#[test]
fn each_unusable_certificate_has_its_own_words_and_help() {
    for (certificate, words) in [
        (ServerCertificate::Expired, &["expired on 2020-12-31", "renew the certificate", "clock"][..]),
        (ServerCertificate::NotYetValid, &["not valid before 2100-01-01", "clock"]),
        (
            ServerCertificate::OtherHost("sts.example"),
            &["its certificate is for sts.example, not for 127.0.0.1", "correct the host name"],
        ),
    ] {
        let stage = stage(certificate);
        assert_refused(&stage, stage.sts.ca_pem().expect("a CA"), words);
    }
}

/// MinIO and LocalStack present such certificates, and boto3 connects.
#[test]
fn a_ca_certificate_that_serves_by_itself_is_accepted_if_the_bundle_contains_it() {
    let stage = stage(ServerCertificate::Authority);
    let own = stage.sts.ca_pem().expect("a CA").to_owned();
    assert_accepted(&stage, &own);
    let words = ["that of a certificate authority", "add this certificate to AWS_CA_BUNDLE"];
    assert_refused(&stage, "", &words);
    // The same subject and another key.
    let other = self::stage(ServerCertificate::Authority);
    assert_refused(&stage, other.sts.ca_pem().expect("a CA"), &words);
}

#[test]
fn a_certificate_in_the_bundle_is_still_checked() {
    for (certificate, words) in [
        (ServerCertificate::ExpiredAuthority, "expired on 2020-12-31"),
        (ServerCertificate::AuthorityForOtherHost("minio.example"), "is for minio.example, not for 127.0.0.1"),
    ] {
        let stage = stage(certificate);
        assert_refused(&stage, stage.sts.ca_pem().expect("a CA"), &[words]);
    }
}

#[test]
fn a_p521_authority_is_refused_in_words_unless_the_bundle_contains_the_server() {
    let blocks = blocks(P521);
    let [chain, key, authority] = [0, 1, 2].map(|number: usize| blocks[number].as_str());
    let stage = stage(ServerCertificate::Pem { chain, key, authority });
    let words = ["signed with ECDSA and SHA-512 (a P-521 key), which credvend does not support", "to AWS_CA_BUNDLE"];
    assert_refused(&stage, authority, &words);
    assert_accepted(&stage, &format!("{authority}{chain}"));
    assert_accepted(&stage, chain);
}

/// Returns a stage whose STS responds to each connection with these bytes.
fn raw_stage(response: &'static [u8]) -> (Stage, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("https://{}", listener.local_addr().expect("local address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(response));
        }
    });
    (Stage::new(), url)
}

#[test]
fn a_failed_handshake_has_words_and_help() {
    for (response, words) in [
        (&b"\x15\x03\x03\x00\x02\x02\x28"[..], ["the alert handshake failure", "enable TLS 1.2 or 1.3"]),
        (b"\x15\x03\x03\x00\x02\x02\x46", ["the alert protocol version", "enable TLS 1.2 or 1.3"]),
        (b"\x15\x03\x03\x00\x02\x02\x74", ["requires a client certificate", "credvend sends none"]),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ["its response is not TLS", "check the scheme and the port"]),
        (b"", ["closed the connection during the TLS handshake", "enable TLS 1.2 or 1.3"]),
    ] {
        let (stage, url) = raw_stage(response);
        let run = |command: &[&str]| stage.credvend(command).env("AWS_ENDPOINT_URL_STS", &url).end();
        run(&["export", "--timeout", "1s"]).failed(5, &words);
        let check = run(&["check"]);
        assert!(words.iter().all(|word| check.stdout.contains(word)), "{words:?}: {}", check.stdout);
    }
}
