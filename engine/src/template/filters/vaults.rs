//! Texts encrypted as Ansible Vault does it, with a password of the template's own: `vault` and `unvault`.

use super::Pure;
use crate::source::Place;
use crate::template::call::Call;
use crate::template::convert::python_name;
use crate::template::errors::refuse;
use crate::template::scope::Frame;
use crate::template::taint;
use crate::vault::{self, DEFAULT_ID, Secret, Vault};
use minijinja::Error;
use modules::value::Value;

/// The vault id of what the filters encrypt, unless they are given another.
const FILTER_ID: &str = "filter_default";

pub(super) const FILTERS: &[(&str, Pure)] = &[("vault", sealed), ("unvault", opened)];

fn sealed(value: &Value, call: &Call) -> Result<Value, Error> {
    let secret = secret(call, [2, 4])?;
    let Value::Str(plain) = value else {
        return Err(refuse(format!("Can only vault strings, instead we got <class '{}'>.", python_name(value))));
    };
    if call.flag(3, "wrap_object")? {
        taint::secret();
        return Ok(value.clone());
    }
    let salt = call.text(1, "salt")?;
    if salt.as_deref() == Some("") {
        return Err(refuse("Unable to encrypt: Empty or invalid salt passed to encrypt()"));
    }
    let sealed = vault::seal_with(plain.as_bytes(), &secret, salt.as_deref().map(str::as_bytes));
    sealed.map(Value::from).map_err(|e| refuse(format!("Unable to encrypt: {}", e.summary)))
}

fn opened(value: &Value, call: &Call) -> Result<Value, Error> {
    let secret = secret(call, [1, 2])?;
    let Value::Str(text) = value else {
        return Err(refuse(format!("Vault should be in the form of a string, instead we got <class '{}'>.", python_name(value))));
    };
    if !vault::is_encrypted(text.as_bytes()) {
        return Ok(value.clone());
    }
    let plain = Vault::new(vec![secret]).text(text, &Place::nowhere("unvault")).map_err(|e| {
        let words = e.notes.iter().fold(e.summary.clone(), |all, note| format!("{all}: {note}"));
        refuse(format!("Unable to decrypt: {words}"))
    })?;
    if let Some(frame) = Frame::running() {
        frame.engines().vault().remember(plain.clone());
    }
    taint::secret();
    Ok(Value::Str(plain))
}

/// The password of a call, and the vault id it is for, which stands at the first of two positions; at the other, by its older name.
fn secret(call: &Call, positions: [usize; 2]) -> Result<Secret, Error> {
    let password = match call.needs(0, "secret")? {
        Value::Str(password) => password.as_bytes().to_vec(),
        other => {
            return Err(refuse(format!("Secret passed is required to be a string, instead we got <class '{}'>.", python_name(&other))));
        }
    };
    let id = call.text(positions[0], "vault_id")?.or(call.text(positions[1], "vaultid")?);
    let id = id.unwrap_or_else(|| FILTER_ID.into());
    Ok(Secret { id: if id.is_empty() { DEFAULT_ID.into() } else { id }, password })
}
