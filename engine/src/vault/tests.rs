//! Envelopes against what ansible-vault wrote, and what is wrong with damaged ones.

use super::*;

/// Made by ansible-vault 2.19.14 with the password `geheim`: `hello secret\n`.
const PLAIN_ID: &str = "$ANSIBLE_VAULT;1.1;AES256
34366135356530366238643334613763396162313638616361376534363334636661616131393164
3032316462626238653164356338303437653531353937350a633566353766373936353563303161
61323736646438303333353431333638613635346663386465393763376139343437656466636636
6139666363383236390a653061306330343065396162613534383062313565393037306535626464
3738
";
/// The same with `anders`, for the vault id `prod`.
const PROD: &str = "$ANSIBLE_VAULT;1.2;AES256;prod
31326139336332386639303834333234646432343432626461386435393531313831343735393163
3737363437323666663365663832316264633362343539310a373632333061623534326439343631
35336231333563643530333035333738313235326339643664313434376130303961306637646130
3734393965356334310a656136646136306366366366366365326533643862626132663061633766
6237
";
/// Nothing at all, with `geheim`.
const EMPTY: &str = "$ANSIBLE_VAULT;1.1;AES256
30613363666463623433626630643537333862396135313664396632373034303435633830336231
3036633932346139616561616431393835353832366136310a353662323261636333323533646463
66383737616636633130393533646434333639643335393031663035333862376136343339333466
3930646465396435620a323264313666383061653561303465393361356438626364386134316666
3861
";

fn secret(id: &str, password: &str) -> Secret {
    Secret { id: id.into(), password: password.into() }
}

fn nowhere() -> Place {
    Place::nowhere("case")
}

#[test]
fn opens_what_ansible_vault_made() {
    let vault = Vault::new(vec![secret("default", "geheim"), secret("prod", "anders")]);
    for (text, plain) in [(PLAIN_ID, "hello secret\n"), (PROD, "hello secret\n"), (EMPTY, "")] {
        assert_eq!(&*vault.text(text, &nowhere()).unwrap(), plain);
        // As it stands in YAML, indented or with other line ends.
        assert_eq!(&*vault.text(&text.replace('\n', "\r\n  "), &nowhere()).unwrap(), plain);
    }
    assert_eq!(vault.within("say hello secret\n!").len(), 1);
    assert_eq!(Vault::id_of(PROD).as_deref(), Some("prod"));
    // A password for another id opens it as well.
    assert!(Vault::new(vec![secret("x", "anders")]).open(PROD, &nowhere()).is_ok());
}

#[test]
fn writes_what_ansible_vault_writes() {
    for (text, secret) in [(PLAIN_ID, secret("default", "geheim")), (PROD, secret("prod", "anders"))] {
        let envelope: Envelope = text.parse().unwrap();
        assert_eq!(sealed(b"hello secret\n", &secret, &envelope.salt), text);
    }
    let secret = secret("dev", "pw");
    let vault = Vault::new(vec![secret.clone()]);
    for length in [0, 1, 15, 16, 17, 1000] {
        let plain = vec![b'x'; length];
        let text = seal(&plain, &secret).unwrap();
        assert!(text.starts_with("$ANSIBLE_VAULT;1.2;AES256;dev\n"));
        assert_eq!(vault.open(&text, &nowhere()).unwrap()[..], plain[..]);
    }
    assert_ne!(seal(b"x", &secret).unwrap(), seal(b"x", &secret).unwrap(), "each has its own salt");
}

#[test]
fn says_why_it_does_not_open() {
    let wrong = Vault::new(vec![secret("dev", "falsch")]);
    let error = wrong.open(PROD, &nowhere()).unwrap_err();
    assert_eq!(error.summary, "none of the vault passwords fits");
    assert_eq!(error.notes, ["it is encrypted for the vault id `prod`, which none of the passwords is for", "tried `dev`"]);
    let error = Vault::default().open(PLAIN_ID, &nowhere()).unwrap_err();
    assert_eq!(error.summary, "this is encrypted, and no vault password was given");
    let vault = Vault::new(vec![secret("default", "geheim")]);
    for (from, to, why) in [
        ("34366", "3436z", "it holds other characters than hexadecimal ones"),
        ("3738\n", "373\n", "it ends too early"),
        ("1.1", "1.0", "its format is neither 1.1 nor 1.2"),
        ("AES256", "AES", "its cipher is not AES256"),
    ] {
        let error = vault.open(&PLAIN_ID.replace(from, to), &nowhere()).unwrap_err();
        assert_eq!((error.summary.as_str(), error.label.as_deref()), ("this encrypted text is damaged", Some(why)));
    }
    assert!(vault.open(&PLAIN_ID.replace("3738\n", "3739\n"), &nowhere()).is_err(), "a changed text does not open");
    assert!(!format!("{vault:?}").contains("geheim"));
}

#[test]
fn passwords_come_from_files_scripts_and_questions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let plain = file("pass", "  geheim\n", 0o600);
    let script = file("ask", "#!/bin/sh\necho \"script:$*\"\n", 0o700);
    let client = file("keys-client", "#!/bin/sh\necho \"$1 $2\"\n", 0o700);
    let sealed = file("sealed", &seal(b"inner\n", &secret("default", "geheim")).unwrap(), 0o600);
    let wanted = [plain.clone(), script, format!("prod@{client}"), "dev@prompt".into(), sealed, "x@/no/such".into()];
    let wanted: Vec<Wanted> = wanted.iter().map(|w| Wanted::parse(w)).collect();
    let (secrets, missing) = collect(&wanted, &|words| Ok(format!("said to {words}"))).unwrap();
    let expected = [
        ("default", "geheim"),
        ("default", "script:"),
        ("prod", "--vault-id prod"),
        ("dev", "said to Vault password (dev): "),
        ("default", "inner"),
    ];
    assert_eq!(secrets, expected.map(|(id, password)| secret(id, password)));
    assert_eq!(missing.len(), 1);
    assert!(collect(&[Wanted::parse("/no/such")], &|_| Ok(String::new())).is_err());
    assert!(collect(&[Wanted::parse(&file("empty", "\n", 0o600))], &|_| Ok(String::new())).unwrap_err()[0].summary.contains("empty"));
}
