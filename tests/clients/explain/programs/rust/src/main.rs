//! Prints the access key ID that the default provider chain of the AWS SDK for Rust returns.

use aws_credential_types::provider::ProvideCredentials as _;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let provider = config.credentials_provider().expect("a default chain");
    match provider.provide_credentials().await {
        Ok(credentials) => println!("{}", credentials.access_key_id()),
        Err(error) => eprintln!("{}", aws_error(&error)),
    }
}

fn aws_error(error: &dyn std::error::Error) -> String {
    let source = error.source().map(|source| format!(": {}", aws_error(source))).unwrap_or_default();
    format!("{error}{source}")
}
