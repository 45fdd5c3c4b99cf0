use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread::JoinHandle,
};

use local_sts::{LocalSts, TlsVersions, World};

use crate::support::Stage;

fn tls_stage(versions: TlsVersions) -> Stage {
    Stage::with_sts(LocalSts::start_tls(World::two_accounts(), versions).expect("local STS starts"))
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
    let (url, asked) = refusing_proxy("502 Bad Gateway");
    let ended = stage.credvend(&["export", "--timeout", "1s"]).env("HTTP_PROXY", &url).end();
    ended.failed(5, &["HTTP 502", "prox"]);
    assert!(asked.join().expect("asked").starts_with(&format!("POST {}", stage.sts.url())));
    assert_eq!(stage.actions(), [""; 0]);

    stage.credvend(&["export"]).env("HTTP_PROXY", &url).env("NO_PROXY", "127.0.0.1").end().succeeded();
    stage.credvend(&["export"]).env("HTTPS_PROXY", &url).end().succeeded();
}

/// The endpoint table as a proxy sees it: nothing leaves this machine.
#[test]
fn the_endpoint_follows_region_partition_and_variants() {
    let stage = Stage::new();
    let role = |partition: &str| format!("arn:{partition}:iam::111111111111:role/account-a-role");
    for (partition, variables, host) in [
        ("aws", &[][..], "sts.amazonaws.com"),
        ("aws", &["AWS_REGION=eu-west-3"], "sts.eu-west-3.amazonaws.com"),
        ("aws", &["AWS_DEFAULT_REGION=eu-west-3"], "sts.eu-west-3.amazonaws.com"),
        ("aws", &["AWS_REGION=eu-west-3", "AWS_STS_REGIONAL_ENDPOINTS=legacy"], "sts.amazonaws.com"),
        ("aws", &["AWS_REGION=us-east-2", "AWS_USE_FIPS_ENDPOINT=true"], "sts-fips.us-east-2.amazonaws.com"),
        ("aws", &["AWS_REGION=us-east-2", "AWS_USE_DUALSTACK_ENDPOINT=true"], "sts.us-east-2.api.aws"),
        ("aws-us-gov", &["AWS_REGION=us-gov-west-1", "AWS_USE_FIPS_ENDPOINT=true"], "sts.us-gov-west-1.amazonaws.com"),
        ("aws-cn", &["AWS_REGION=cn-north-1"], "sts.cn-north-1.amazonaws.com.cn"),
        ("aws-cn", &[], "sts.cn-northwest-1.amazonaws.com.cn"),
        (
            "aws",
            &["AWS_ENDPOINT_URL_STS=https://vpce.example:8443", "AWS_ENDPOINT_URL=https://other.example"],
            "vpce.example:8443",
        ),
        (
            "aws",
            &["AWS_REGION=eu-west-3", "AWS_ENDPOINT_URL=https://x.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"],
            "sts.eu-west-3.amazonaws.com",
        ),
    ] {
        let (url, connect) = refusing_proxy("403 Forbidden");
        let mut export = stage
            .credvend(&["export", "--timeout", "1s"])
            .without("AWS_REGION")
            .without("AWS_ENDPOINT_URL_STS")
            .env("AWS_ROLE_ARN", role(partition))
            .env("HTTPS_PROXY", &url);
        for (name, value) in variables.iter().filter_map(|variable| variable.split_once('=')) {
            export = export.env(name, value);
        }
        assert_eq!(export.end().code, Some(5), "{host}");
        let asked = connect.join().expect("asked");
        let authority = if host.contains(':') { host.to_owned() } else { format!("{host}:443") };
        assert!(asked.starts_with(&format!("CONNECT {authority} ")), "{variables:?}: {asked}");
    }
}

/// A proxy that answers its one request with this status: its URL, and the head that it was sent.
fn refusing_proxy(status: &'static str) -> (String, JoinHandle<String>) {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://{}", proxy.local_addr().expect("an address"));
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().expect("a connection");
        let mut head = [0; 256];
        let length = stream.read(&mut head).expect("a request");
        let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    (url, asked)
}
