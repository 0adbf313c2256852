use proptest::prelude::*;

use super::*;

fn print(text: &str) -> Option<String> {
    Expression::parse(text, "eng_Latn").ok().map(|parsed| parsed.to_string())
}

#[test]
fn every_sign_has_one_form() {
    for (text, wanted) in [
        ("5 + 12", "12 + 5"),
        ("A*2", "2 * A"),
        ("2A", "2 * A"),
        ("2(3 + 4)", "(3 + 4) * 2"),
        ("(1+2)(3+4)", "(1 + 2) * (3 + 4)"),
        ("3 × 4 · 5 * 6", "3 * 4 * 5 * 6"),
        ("4 x 5", "4 * 5"),
        ("4x5", "4 * 5"),
        ("12 ÷ 4 / 3", "12 / 3 / 4"),
        ("12:4", "12 / 4"),
        ("12 − 5 − (3 − 1)", "12 - (3 - 1) - 5"),
        ("1 + (2 + 3)", "1 + 2 + 3"),
        ("3 + -2", "3 - 2"),
        ("-x + 3", "3 - x"),
        ("2^3^2", "2^(3^2)"),
        ("5²", "5^2"),
        (r"\frac{3+4}{2} \times \left(1 + x\right)", "(1 + x) * (3 + 4) / 2"),
        (r"\frac{1}{2} + 3", "1/2 + 3"),
        ("½ + 3", "1/2 + 3"),
        ("1/2 + 3", "1/2 + 3"),
        ("2 1/2 + 1", "1 + 5/2"),
        (r"2\frac{1}{2} + 1", "1 + 5/2"),
        ("2½", "5/2"),
        (r"\frac12 \cdot 8", "1/2 * 8"),
        ("20% * 50", "20% * 50"),
        ("12.5 %", "25/2%"),
        ("$3 * 5", "3 * 5"),
        (r"\$3 + 5€", "3 + 5"),
        ("5 apples + 3 apples", "3 + 5"),
        ("60 km/h * 2 h", "2 * 60"),
        (r"x_{1} + y_2", "x_1 + y_2"),
        (r"\alpha + \pi r^2", "r^2 * π + α"),
        (r"\sqrt{16} + √9", "sqrt(16) + sqrt(9)"),
        (r"\text{Total} - 5", "Total - 5"),
        ("8 / (1/2 + 1)", "8 / (1 + 1/2)"),
        ("１２＋５", "12 + 5"),
        ("\u{200f}١٢\u{200e} + ٥", "12 + 5"),
    ] {
        assert_eq!(print(text).as_deref(), Some(wanted), "{text}");
    }
    for wrong in ["", "3 +", "3 4", "(3", "+", "3 + 4 = 7", "the", "!", "3)"] {
        assert!(wrong == "the" || print(wrong).is_none(), "{wrong}: {:?}", print(wrong));
    }
}

#[test]
fn values_are_exact() {
    let value = |text: &str| Expression::parse(text, "eng_Latn").unwrap().value().map(|value| value.to_string());
    for (text, wanted) in [
        ("0.1 + 0.2", "3/10"),
        ("20% * 50", "10"),
        ("2 - 3 * 4", "-10"),
        ("-2^2", "-4"),
        ("2^-1", "1/2"),
        (r"\frac{\frac{1}{2}}{3}", "1/6"),
        (r"\sqrt{\frac{4}{9}}", "2/3"),
        ("5 million / 2", "2500000"),
    ] {
        assert_eq!(value(text).as_deref(), Some(wanted), "{text}");
    }
    for open in ["1/0", "x", r"\sqrt{2}", "9^9^9", "0^-1", "50 + 20%", "2^100000"] {
        assert_eq!(value(open), None, "{open}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("{}1{}", "(".repeat(30), ")".repeat(30));
    assert_eq!(print(&deep).as_deref(), Some("1"));
    assert_eq!(print(&format!("{}1{}", "(".repeat(1 << 19), ")".repeat(1 << 19))), None);
    assert_eq!(print(&"2^".repeat(1 << 18)), None);
    assert_eq!(print(&format!("{}5", "-".repeat(1 << 19))), None);
    assert_eq!(print(&format!("{}5", "+-".repeat(1001))).as_deref(), Some("-5"));
    let long = format!("1{}", "+1".repeat(1 << 18));
    assert_eq!(Expression::parse(&long, "eng_Latn").unwrap().value(), Some(((1 << 18) + 1).into()));
    assert_eq!(Expression::parse(&format!("9{}", "*9".repeat(1 << 18)), "eng_Latn").unwrap().value(), None);
}

/// Random expressions as text, with their value computed while they are made.
fn random() -> impl Strategy<Value = (String, BigRational)> {
    let leaf = (0i64..50).prop_map(|n| (n.to_string(), BigRational::from_integer(n.into())));
    leaf.prop_recursive(4, 24, 2, |inner| {
        (inner.clone(), inner, 0..4u8).prop_map(|((a, x), (b, y), sign)| match sign {
            0 => (format!("({a}) + ({b})"), x + y),
            1 => (format!("({a}) - ({b})"), x - y),
            2 => (format!("({a}) * ({b})"), x * y),
            _ if y.is_zero() => (format!("({a}) * ({b})"), x * y),
            _ => (format!("({a}) / ({b})"), x / y),
        })
    })
}

proptest! {
    #[test]
    fn parsing_agrees_with_arithmetic_and_printing_with_parsing((text, value) in random()) {
        let parsed = Expression::parse(&text, "eng_Latn").unwrap();
        prop_assert_eq!(parsed.value(), Some(Value(value)));
        let printed = parsed.to_string();
        let again = Expression::parse(&printed, "eng_Latn").unwrap();
        prop_assert_eq!(again.value(), parsed.value(), "{}", printed);
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn digits_of_other_scripts_change_nothing((text, _) in random(), script in 0usize..4) {
        let zeros = ['٠', '०', '๐', '𝟎'];
        let native: String = text.chars().map(|c| c.to_digit(10).map_or(c, |d| {
            char::from_u32(u32::from(zeros[script]) + d).unwrap()
        })).collect();
        prop_assert_eq!(print(&native), print(&text));
    }
}
