mod bundles;
mod certificates;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread::JoinHandle,
};

use local_sts::{LocalSts, TlsVersions, World};

use crate::support::{ROLE_A, Stage};

fn tls_stage(versions: TlsVersions) -> Stage {
    Stage::with_sts(LocalSts::start_tls(World::two_accounts(), versions).expect("start local STS"))
}

#[test]
fn tls_1_2_and_1_3_require_the_ca_bundle() {
    for versions in [TlsVersions::Tls12, TlsVersions::Tls13] {
        let stage = tls_stage(versions);
        let bundle = stage.write("ca.pem", stage.sts.ca_pem().expect("local STS has a CA"));
        stage.credvend(&["export"]).env("AWS_CA_BUNDLE", &bundle).end().succeeded();
        let untrusted = stage.credvend(&["export", "--timeout", "1s"]).end();
        untrusted.failed(5, &["certificate"]);
    }
}

#[test]
fn ca_bundle_of_a_profile_is_used() {
    let stage = tls_stage(TlsVersions::Both);
    let bundle = stage.write("ca.pem", stage.sts.ca_pem().expect("local STS has a CA"));
    let config = format!("{}ca_bundle = {}\n", crate::profiles::CROSS_ACCOUNT, bundle.display());
    stage.with_config(&["export", "--profile", "account_a_role"], &config).end().succeeded();
}

#[test]
fn invalid_or_missing_ca_bundle_exits_2() {
    let stage = Stage::new();
    let bundle = stage.write("ca.pem", "nothing");
    stage.credvend(&["export"]).env("AWS_CA_BUNDLE", &bundle).end().failed(2, &["ca.pem", "AWS_CA_BUNDLE"]);
    stage.credvend(&["run"]).env("AWS_CA_BUNDLE", stage.path("absent")).end().failed(2, &["absent"]);
}

#[test]
fn proxy_is_used_unless_no_proxy_lists_the_host() {
    let stage = Stage::new();
    let (url, head) = refusing_proxy("502 Bad Gateway");
    let ended = stage.credvend(&["export", "--timeout", "1s"]).env("HTTP_PROXY", &url).end();
    ended.failed(5, &["HTTP 502", "prox"]);
    assert!(head.join().expect("one request").starts_with(&format!("POST {}", stage.sts.url())));
    assert_eq!(stage.actions(), [""; 0]);

    stage.credvend(&["export"]).env("HTTP_PROXY", &url).env("NO_PROXY", "127.0.0.1").end().succeeded();
    stage.credvend(&["export"]).env("HTTPS_PROXY", &url).end().succeeded();
}

#[test]
fn unusable_proxies_are_refused_by_every_command_and_never_bypassed() {
    let stage = Stage::new();
    let unusable = [
        "htp://proxy.example:3128",
        "ftp://proxy.example:3128",
        "socks4://proxy.example:1080",
        "socks4a://proxy.example:1080",
        "socks5://user:hidden-word@proxy.example:1080",
        "socks5h://user:hidden-word@proxy.example:1080",
        "file:///proxy",
        "unix:///run/proxy.sock",
        "://proxy.example:3128",
        "http://",
        "http://user:hidden-word@",
        "http://user:hidden-word@:3128",
        "http://proxy.example:99999",
        "http://proxy.example:port",
        "user:hidden-word@proxy.example:port",
        "proxy host:3128",
        "http://[::1",
        "http://[fe80::1%25eth0]:3128",
        "http://pröxy.example:3128",
    ];
    for (number, url) in unusable.into_iter().enumerate() {
        // The endpoint is http, but a proxy for https is refused too.
        let variable = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"][number % 4];
        for command in [&["export"][..], &["check"], &["run", "--listen", "127.0.0.1:0"], &["exec", "--", "true"]] {
            let ended = stage.credvend(command).env(variable, url).end();
            assert_eq!(ended.code, Some(2), "{url:?}: {ended:?}");
            let words = format!("{variable} is not the URL of an HTTP proxy");
            assert!(ended.last_line().contains(&words), "{url:?}: {}", ended.stderr);
            assert!(!format!("{ended:?}").contains("hidden-word"), "{ended:?}");
        }
    }
    assert_eq!(stage.actions(), [""; 0]);
}

/// Spellings that parsers read differently.
#[test]
fn check_and_the_exchange_use_the_same_proxy() {
    let stage = Stage::new();
    let free = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("local address");
    for url in [
        format!("{free}"),
        format!("//{free}"),
        format!("HTTP://{free}"),
        format!("http:////{free}"),
        format!(" http://{free} "),
        format!("http://{free}/path?query#fragment"),
        format!("user:hidden-word@{free}"),
        format!("http://user:p@ss-hidden-word@{free}"),
        format!("http://us|er:hidden-word^`@{free}"),
        format!("http://:hidden-word@{free}"),
        format!("https://user:hidden-word@{free}"),
    ] {
        let export = stage.credvend(&["export", "--timeout", "500ms", "--log-level", "trace"]).env("HTTP_PROXY", &url);
        let check = stage.credvend(&["check", "--log-level", "trace"]).env("HTTP_PROXY", &url);
        for ended in [export.end(), check.end()] {
            assert_eq!(ended.code, Some(5), "{url:?}: {ended:?}");
            assert!(!format!("{ended:?}").contains("hidden-word"), "{ended:?}");
            if !ended.stdout.is_empty() {
                assert!(ended.stdout.contains(&format!("no connection to {free}")), "{url:?}: {}", ended.stdout);
            }
        }
    }
    assert_eq!(stage.actions(), [""; 0], "no request bypasses the proxy");
}

#[test]
fn endpoint_urls_with_a_user_name_or_password_are_refused() {
    let stage = Stage::new();
    let chain = format!("[profile app]\nrole_arn={ROLE_A}\n");
    let token = format!("{chain}web_identity_token_file=TOKEN\n");
    for user in ["user", "user:hidden-word", ":hidden-word"] {
        let url = stage.sts.url().replace("//", &format!("//{user}@"));
        let metadata = "credential_source=Ec2InstanceMetadata\n";
        for (origin, variable, config) in [
            ("AWS_ENDPOINT_URL_STS", Some("AWS_ENDPOINT_URL_STS"), token.clone()),
            ("AWS_ENDPOINT_URL", Some("AWS_ENDPOINT_URL"), token.clone()),
            ("endpoint_url", None, format!("{token}endpoint_url={url}\n")),
            ("[services s]", None, format!("{token}services=s\n[services s]\nsts =\n  endpoint_url = {url}\n")),
            (
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                Some("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
                format!("{chain}{metadata}"),
            ),
            ("ec2_metadata_service_endpoint", None, format!("{chain}{metadata}ec2_metadata_service_endpoint={url}\n")),
        ] {
            let mut command =
                stage.with_config(&["export", "--profile", "app"], &config).without("AWS_ENDPOINT_URL_STS");
            if let Some(variable) = variable {
                command = command.env(variable, &url);
            }
            let ended = command.end();
            ended.failed(2, &[origin, "must not contain a user name or password"]);
            assert!(!ended.stderr.contains("hidden-word"), "{}", ended.stderr);
        }
    }
    assert_eq!(stage.actions(), [""; 0]);
}

/// A local proxy records the host of the CONNECT request and refuses it, so no request leaves this machine.
#[test]
fn sts_endpoint_follows_region_partition_and_variant() {
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
        let (url, head) = refusing_proxy("403 Forbidden");
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
        let head = head.join().expect("one request");
        let authority = if host.contains(':') { host.to_owned() } else { format!("{host}:443") };
        assert!(head.starts_with(&format!("CONNECT {authority} ")), "{variables:?}: {head}");
    }
}

/// Starts a proxy that responds to one request with `status`. Returns its URL and a thread that yields the request head.
fn refusing_proxy(status: &'static str) -> (String, JoinHandle<String>) {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}", proxy.local_addr().expect("local address"));
    let request_head = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().expect("accept");
        let mut head = [0; 256];
        let length = stream.read(&mut head).expect("read request");
        let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    (url, request_head)
}
