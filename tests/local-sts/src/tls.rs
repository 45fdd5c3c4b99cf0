//! TLS: a certificate authority, which is created at start, and its server certificate for 127.0.0.1 and localhost.

use std::{io, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use crate::local_sts::StartError;

/// The TLS versions that the server supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// TLS 1.2 and 1.3.
    #[default]
    Both,
    /// TLS 1.2 only.
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

impl TlsVersions {
    fn supported(self) -> &'static [&'static SupportedProtocolVersion] {
        static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
        static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
        match self {
            Self::Both => rustls::ALL_VERSIONS,
            Self::Tls12 => TLS12,
            Self::Tls13 => TLS13,
        }
    }
}

/// The certificate of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerCertificate<'a> {
    /// A valid certificate for `127.0.0.1` and `localhost`, issued by the authority.
    Usual,
    /// A certificate for another host.
    OtherHost(&'a str),
    /// A certificate that expired at the end of 2020.
    Expired,
    /// A certificate that is valid from 2100 on.
    NotYetValid,
    /// The self-signed certificate of the authority itself, for `127.0.0.1` and `localhost`.
    Authority,
    /// The certificate of the authority, for another host.
    AuthorityForOtherHost(&'a str),
    /// The certificate of the authority, which expired at the end of 2020.
    ExpiredAuthority,
    /// PEM: the chain of the server, its key, and the authority.
    Pem {
        /// The certificate of the server and those of intermediate authorities.
        chain: &'a str,
        /// The private key of the server.
        key: &'a str,
        /// The certificate of the authority.
        authority: &'a str,
    },
}

impl ServerCertificate<'_> {
    fn parameters(self) -> Result<CertificateParams, StartError> {
        let names = match self {
            Self::OtherHost(name) | Self::AuthorityForOtherHost(name) => vec![name.to_owned()],
            _ => vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        };
        let mut parameters = CertificateParams::new(names)?;
        match self {
            Self::Expired | Self::ExpiredAuthority => parameters.not_after = date_time_ymd(2020, 12, 31),
            Self::NotYetValid => parameters.not_before = date_time_ymd(2100, 1, 1),
            _ => {}
        }
        Ok(parameters)
    }

    fn is_authority(self) -> bool {
        matches!(self, Self::Authority | Self::AuthorityForOtherHost(_) | Self::ExpiredAuthority)
    }
}

/// The TLS acceptor of a server, and the certificate authority that its clients need to trust.
pub(crate) struct TlsIdentity {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
}

impl TlsIdentity {
    pub(crate) fn generate(versions: TlsVersions, certificate: ServerCertificate<'_>) -> Result<Self, StartError> {
        if let ServerCertificate::Pem { chain, key, authority } = certificate {
            let invalid = |_| StartError::Io(io::ErrorKind::InvalidData.into());
            let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().map_err(invalid)?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(invalid)?;
            return Self::new(versions, chain, key, authority.to_owned());
        }
        let parameters = certificate.parameters()?;
        let mut authority = if certificate.is_authority() { parameters.clone() } else { CertificateParams::default() };
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        authority.distinguished_name.push(DnType::CommonName, "local-sts test CA");
        let key = KeyPair::generate()?;
        let authority_key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let authority = CertifiedIssuer::self_signed(authority, key)?;
        if certificate.is_authority() {
            return Self::new(versions, vec![authority.der().clone()], authority_key, authority.pem());
        }

        let mut server = parameters;
        server.distinguished_name.push(DnType::CommonName, "local-sts");
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Strict verifiers require the authority key identifier.
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let chain = vec![server.signed_by(&key, &authority)?.der().clone()];
        Self::new(versions, chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()), authority.pem())
    }

    fn new(
        versions: TlsVersions,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        ca_pem: String,
    ) -> Result<Self, StartError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions.supported())?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem })
    }
}
