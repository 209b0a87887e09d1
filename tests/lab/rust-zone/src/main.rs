//! The life of a zone through Oxide's `zone` crate, which runs zonecfg, zoneadm and zlogin by pfexec.
//!
//! usage: zone-lifecycle TEMPLATE BRAND ZONEPATH LINK
//!
//! Every step is checked against `zoneadm list` as the crate reads it; what was seen is printed.

use std::error::Error;
use std::path::{Path, PathBuf};

use zone::{
    Adm, Attr, AttributeValue, CappedMemory, Config, CreationOptions, IpType, Net, State, Zlogin, Zone,
};

const NAME: &str = "oxide";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [template, brand, zonepath, link] = words.as_slice() else {
        return Err("usage: zone-lifecycle TEMPLATE BRAND ZONEPATH LINK".into());
    };
    let zonepath = PathBuf::from(zonepath);
    println!("in zone {}", zone::current_blocking()?);

    configure(template, &zonepath, link)?;
    let zone = expect(State::Configured)?;
    assert_eq!((zone.brand(), zone.path()), (brand.as_str(), zonepath.as_path()));
    assert_eq!(zone.ip_type(), IpType::Exclusive);
    assert_eq!((zone.id(), zone.uuid()), (None, None));
    change()?;

    let mut zone = Adm::new(NAME);
    println!("boot too early: {}", zone.boot_blocking().unwrap_err());
    zone.install_blocking(&[])?;
    assert!(expect(State::Installed)?.uuid().is_some());
    println!("delete too early: {}", Config::new(NAME).delete(false).run_blocking().unwrap_err());

    zone.boot_blocking()?;
    assert!(expect(State::Running)?.id().is_some());
    let login = Zlogin::new(NAME);
    println!("zonename: {}", login.exec_blocking("/sbin/zonename; id -un")?);
    println!("failing: {}", login.exec_blocking("echo out; echo err >&2; exit 7").unwrap_err());

    zone.halt_blocking()?;
    expect(State::Installed)?;
    zone.uninstall_blocking(true)?;
    expect(State::Configured)?;
    Config::new(NAME).delete(true).run_blocking()?;
    assert!(find()?.is_none());
    println!("login too late: {}", login.exec_blocking("true").unwrap_err());
    Ok(())
}

fn configure(template: &str, zonepath: &Path, link: &str) -> Outcome<()> {
    let mut config = Config::create(NAME, true, CreationOptions::Template(template.into()));
    config.get_global().set_path(zonepath).set_autoboot(false).set_ip_type(IpType::Exclusive);
    config.add_net(&Net { physical: link.into(), ..Default::default() });
    config.add_attr(&Attr { name: "colour".into(), value: AttributeValue::String("red".into()) });
    config.add_capped_memory(&CappedMemory {
        physical: Some("512m".into()),
        swap: Some("1g".into()),
        ..Default::default()
    });
    config.run_blocking()?;
    println!("configured");
    Ok(())
}

/// Changes what exists, and prints the whole configuration as zonecfg exports it.
fn change() -> Outcome<()> {
    let mut config = Config::new(NAME);
    config.get_global().set_autoboot(true);
    config.select_attr_by_name("colour").set_value(AttributeValue::String("blue".into()));
    config.remove_all_capped_memory();
    config.run_blocking()?;
    let mut export = Config::new(NAME);
    println!("{}", export.export("/dev/stdout").run_blocking()?);
    Ok(())
}

fn find() -> Outcome<Option<Zone>> {
    Ok(Adm::list_blocking()?.into_iter().find(|zone| zone.name() == NAME))
}

fn expect(state: State) -> Outcome<Zone> {
    let zone = find()?.ok_or("the zone is not listed")?;
    if zone.state() != state {
        return Err(format!("{:?} and not {state:?}", zone.state()).into());
    }
    println!("{state:?}");
    Ok(zone)
}
