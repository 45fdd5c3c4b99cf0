//! The helper of `oracle.py`: writes credentials into the files on stdin and prints the results on stdout.
//!
//! A request is a frame with a file, a response has three frames: what credvend believes that botocore reads from the old file and
//! from the new one, as JSON; and the new file with a leading `+`, or the reason of the refusal with a leading `-`. A frame is a length
//! of four bytes, the highest first, and the content. The compiler flags of the targets need libFuzzer, so this is a target
//! too, which ends before the first execution.
#![no_main]
#![expect(unreachable_code, reason = "`fuzz_target` returns from `init`")]

use std::io::{self, Read as _, Write as _};

use credvend::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        let status = match serve() {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("oracle: {error}");
                1
            }
        };
        std::process::exit(status)
    },
    |_data: &[u8]| {}
);

fn serve() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::BufWriter::new(io::stdout().lock()));
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut file = vec![0; u32::from_be_bytes(length) as usize];
        input.read_exact(&mut file)?;
        let values = ["ASIANEW", "secret/NEW+1=", "token/NEW=="];
        let written = fuzzing::update_file(&file, &["default"], values).unwrap_or_else(|| Err("values".to_owned()));
        let after = written.as_ref().unwrap_or(&file);
        for file in [&file, after] {
            frame(&mut output, &serde_json::to_vec(&fuzzing::read_file_as_botocore(file))?)?;
        }
        match &written {
            Ok(after) => frame(&mut output, &[b"+", after.as_slice()].concat())?,
            Err(reason) => frame(&mut output, format!("-{reason}").as_bytes())?,
        }
        output.flush()?;
    }
    Ok(())
}

fn frame(output: &mut impl io::Write, content: &[u8]) -> io::Result<()> {
    output.write_all(&(content.len() as u32).to_be_bytes())?;
    output.write_all(content)
}
