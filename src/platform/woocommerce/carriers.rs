//! Carriers' codes and slugs → names people know.

/// Code as plugins write it, letters and digits only, lower case → name in words. Taiwan's convenience stores
/// under ECPay's sub-types too (`UNIMARTC2C`).
const NAMES: &[(&str, &str)] = &[
    ("7eleven", "7-ELEVEN"),
    ("711", "7-ELEVEN"),
    ("unimart", "7-ELEVEN"),
    ("unimartc2c", "7-ELEVEN"),
    ("unimartfreeze", "7-ELEVEN"),
    ("familymart", "全家 FamilyMart"),
    ("fami", "全家 FamilyMart"),
    ("famic2c", "全家 FamilyMart"),
    ("hilife", "萊爾富 Hi-Life"),
    ("hilifec2c", "萊爾富 Hi-Life"),
    ("okmart", "OK mart"),
    ("okmartc2c", "OK mart"),
    ("tcat", "黑貓宅急便 T-Cat"),
    ("blackcat", "黑貓宅急便 T-Cat"),
    ("post", "中華郵政 Chunghwa Post"),
    ("chunghwapost", "中華郵政 Chunghwa Post"),
    ("taiwanpost", "中華郵政 Chunghwa Post"),
    ("ecan", "台灣宅配通 Pelican"),
    ("hct", "新竹物流 HCT"),
    ("hctlogistics", "新竹物流 HCT"),
    ("kerrytj", "嘉里大榮 Kerry TJ"),
    ("sf", "SF Express 順豐"),
    ("sfexpress", "SF Express 順豐"),
    ("sfintl", "SF Express 順豐"),
    ("chinapost", "中国邮政 China Post"),
    ("chinaems", "EMS 中国邮政"),
    ("ems", "EMS"),
    ("yto", "圆通速递 YTO"),
    ("zto", "中通快递 ZTO"),
    ("ztoexpress", "中通快递 ZTO"),
    ("sto", "申通快递 STO"),
    ("yunda", "韵达快递 Yunda"),
    ("jd", "京东物流 JD"),
    ("jdlogistics", "京东物流 JD"),
    ("cainiao", "菜鸟 Cainiao"),
    ("viettelpost", "Viettel Post"),
    ("vnpost", "Vietnam Post"),
    ("vietnampost", "Vietnam Post"),
    ("ghn", "Giao Hàng Nhanh (GHN)"),
    ("giaohangnhanh", "Giao Hàng Nhanh (GHN)"),
    ("ghtk", "Giao Hàng Tiết Kiệm (GHTK)"),
    ("giaohangtietkiem", "Giao Hàng Tiết Kiệm (GHTK)"),
    ("jt", "J&T Express"),
    ("jtexpress", "J&T Express"),
    ("jtexpressvn", "J&T Express"),
    ("ninjavan", "Ninja Van"),
    ("dhl", "DHL"),
    ("dhlexpress", "DHL Express"),
    ("fedex", "FedEx"),
    ("ups", "UPS"),
    ("usps", "USPS"),
    ("dpd", "DPD"),
    ("gls", "GLS"),
    ("japanpost", "Japan Post"),
    ("royalmail", "Royal Mail"),
];

/// The convenience stores, by what appears in the names of shipping methods.
const STORES: &[(&str, &str)] = &[
    ("711", "7-ELEVEN"),
    ("7eleven", "7-ELEVEN"),
    ("unimart", "7-ELEVEN"),
    ("fami", "全家 FamilyMart"),
    ("hilife", "萊爾富 Hi-Life"),
    ("okmart", "OK mart"),
];

/// The name of a carrier; an unknown slug is written out (`australia-post` → `Australia Post`), free text
/// stays as it is.
pub(super) fn name(written: &str) -> String {
    let bare = bare(written);
    if let Some((_, name)) = NAMES.iter().find(|(key, _)| *key == bare) {
        return (*name).to_string();
    }
    let slug = written.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if !slug {
        return written.to_string();
    }
    let words = written.split(['-', '_']).filter(|w| !w.is_empty()).map(|word| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |c| c.to_ascii_uppercase().to_string() + chars.as_str())
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The convenience-store chain named in a logistics sub-type or a shipping method's id.
pub(super) fn chain(written: &str) -> Option<&'static str> {
    let bare = bare(written);
    STORES.iter().find(|(key, _)| bare.contains(key)).map(|(_, name)| *name)
}

fn bare(written: &str) -> String {
    written.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_have_names_people_know() {
        for (written, want) in [
            ("UNIMARTC2C", "7-ELEVEN"),
            ("black-cat", "黑貓宅急便 T-Cat"),
            ("sf-express", "SF Express 順豐"),
            ("J&T Express", "J&T Express"),
            ("australia-post", "Australia Post"),
            ("宅配 快遞", "宅配 快遞"),
        ] {
            assert_eq!(name(written), want);
        }
        assert_eq!(chain("ry_ecpay_shipping_cvs_711"), Some("7-ELEVEN"));
        assert_eq!(chain("Wooecpay_Logistic_CVS_Family"), Some("全家 FamilyMart"));
        assert_eq!(chain("flat_rate"), None);
    }
}
