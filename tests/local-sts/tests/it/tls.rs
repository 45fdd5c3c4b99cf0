use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use local_sts::{Claims, LocalSts, TlsVersions, World};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned};

use crate::support::{form, parse};

fn start_tls(versions: TlsVersions) -> LocalSts {
    LocalSts::start_tls(World::two_accounts(), versions).expect("server starts")
}

/// Assumes a role over TLS and returns the TLS version and the HTTP status.
fn assume_role_over_tls(
    sts: &LocalSts,
    ca_pem: &str,
    name: &'static str,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Result<(ProtocolVersion, u16), Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes())?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(sts.url().trim_start_matches("https://"))?;
    let mut tls = StreamOwned::new(ClientConnection::new(Arc::new(config), ServerName::try_from(name)?)?, stream);
    let token = sts.mint(&Claims::default());
    let role = "arn:aws:iam::111111111111:role/account-a-role";
    let parameters = [("RoleArn", role), ("RoleSessionName", "tls"), ("WebIdentityToken", &token)];
    let body = form("AssumeRoleWithWebIdentity", &parameters);
    write!(
        tls,
        "POST / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut response = Vec::new();
    tls.read_to_end(&mut response)?;
    Ok((tls.conn.protocol_version().ok_or("no version")?, parse(&response).status))
}

#[test]
fn certificate_is_valid_for_127_0_0_1_and_localhost_only() {
    let sts = start_tls(TlsVersions::Both);
    assert!(sts.url().starts_with("https://127.0.0.1:") && sts.issuer() == sts.url());
    let ca_pem = sts.ca_pem().expect("TLS").to_owned();
    for name in ["127.0.0.1", "localhost"] {
        let (version, status) = assume_role_over_tls(&sts, &ca_pem, name, rustls::ALL_VERSIONS).expect(name);
        assert_eq!((version, status), (ProtocolVersion::TLSv1_3, 200));
    }
    assert!(assume_role_over_tls(&sts, &ca_pem, "elsewhere", rustls::ALL_VERSIONS).is_err(), "another name");
    let other_server = start_tls(TlsVersions::Both);
    let other_ca_pem = other_server.ca_pem().expect("TLS");
    assert!(assume_role_over_tls(&sts, other_ca_pem, "127.0.0.1", rustls::ALL_VERSIONS).is_err(), "another authority");
}

#[test]
fn server_accepts_only_the_configured_tls_versions() {
    let (v12, v13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    for (versions, accepted, refused) in [(TlsVersions::Tls12, v12, v13), (TlsVersions::Tls13, v13, v12)] {
        let sts = start_tls(versions);
        let ca_pem = sts.ca_pem().expect("TLS").to_owned();
        let (version, status) =
            assume_role_over_tls(&sts, &ca_pem, "127.0.0.1", rustls::ALL_VERSIONS).expect("response");
        assert_eq!((version, status), (accepted.version, 200));
        assert!(assume_role_over_tls(&sts, &ca_pem, "127.0.0.1", &[refused]).is_err(), "{versions:?}");
    }
}
