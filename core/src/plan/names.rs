//! What other libraries call our sites. A name is taken only where it means the same numbers on every family; a near miss would
//! be a wrong number without a message, so it is refused with the reason.
//!
//! - TransformerLens 3 (`blocks.4.hook_resid_post`): `hook_attn_out` and `hook_mlp_out` are what the stream receives, behind the
//!   norm that Gemma 2 and 3 put there, so ours are `attn_out_post` and `mlp_out_post`; `attn.hook_out` and `mlp.hook_out` are the
//!   raw outputs. (On OLMo 2 its older `HookedTransformer` fires the former before the norm, against its own description.)
//! - nnterp 1.3 (`layers_output[4]`): raw inputs and outputs of modules.
//! - interp-engine 1.14 (`Address("resid_post", 4)`): our vocabulary nearly, but blocks count from 0.

use super::{Point, Site};

/// A point's name elsewhere; the first of several that mean the same is the one that is printed.
type Names = &'static [(Point, &'static str)];

const TRANSFORMER_LENS: Names = &[
    (Point::ResidPre, "hook_resid_pre"),
    (Point::ResidPre, "hook_in"),
    (Point::AttnIn, "attn.hook_in"),
    (Point::Q, "attn.hook_rot_q"),
    (Point::K, "attn.hook_rot_k"),
    (Point::V, "attn.hook_v"),
    (Point::AttnScores, "attn.hook_attn_scores"),
    (Point::AttnProbs, "attn.hook_pattern"),
    (Point::Z, "attn.hook_z"),
    (Point::AttnOut, "attn.hook_out"),
    (Point::AttnOutPost, "hook_attn_out"),
    (Point::ResidMid, "hook_resid_mid"),
    (Point::MlpIn, "mlp.hook_in"),
    (Point::MlpGate, "mlp.hook_pre"),
    (Point::MlpAct, "mlp.hook_post"),
    (Point::MlpOut, "mlp.hook_out"),
    (Point::MlpOutPost, "hook_mlp_out"),
    (Point::ResidPost, "hook_resid_post"),
    (Point::ResidPost, "hook_out"),
    (Point::FinalNorm, "ln_final.hook_out"),
];

const NNTERP: Names = &[
    (Point::ResidPre, "layers_input"),
    (Point::AttnIn, "attentions_input"),
    (Point::AttnProbs, "attention_probabilities"),
    (Point::AttnOut, "attentions_output"),
    (Point::MlpIn, "mlps_input"),
    (Point::MlpOut, "mlps_output"),
    (Point::ResidPost, "layers_output"),
    (Point::FinalNorm, "ln_final.output"),
    (Point::FinalNorm, "ln_final"),
    (Point::Logits, "logits"),
];

const INTERP_ENGINE: Names = &[
    (Point::ResidPre, "resid_pre"),
    (Point::AttnIn, "attn_in"),
    (Point::V, "value"),
    (Point::AttnScores, "attn_scores"),
    (Point::AttnProbs, "attn_probs"),
    (Point::Z, "z"),
    (Point::AttnOut, "attn_out"),
    (Point::AttnOutPost, "attn_out_post"),
    (Point::ResidMid, "resid_mid"),
    (Point::MlpIn, "mlp_in"),
    (Point::RouterLogits, "router_logits"),
    (Point::MlpAct, "mlp_act"),
    (Point::MlpOut, "mlp_out"),
    (Point::MlpOutPost, "mlp_out_post"),
    (Point::ResidPost, "resid_post"),
    (Point::FinalNorm, "final_norm"),
];

const EMBEDDING: &str = "it is the bare row of the embedding, before scale, positions and norm, which some families add; take \
                         `embeddings`, or what enters the first block, which is the same: `resid_pre.1`";
const GAIN: &str =
    "it lies inside of the norm, before the gain; behind the norm are `attn_in`, `mlp_in` and `final_norm`";
const ROTARY: &str = "it lies before rotary embedding, and before QK norm in the families that have one; ours lie behind both: `q`, `k` \
     (TransformerLens: attn.hook_rot_q, attn.hook_rot_k)";
const PER_HEAD: &str = "it holds a copy for each head; take `attn_in`, `z` or `attn_out`";
const RELEASES: &str = "releases of TransformerLens differ on whether it lies before or behind the norm; say which: \
                        hook_resid_pre or attn.hook_in, hook_resid_mid or mlp.hook_in";
const LINEAR: &str = "it is what the activation is multiplied by, for which we have no site; before the activation is `mlp_gate`, \
                      behind both is `mlp_act`";
const INSIDE: &str =
    "whether it is the gate or all that lies before the activation is not known; take `mlp_gate` or `mlp_act`";
const EXPERTS: &str = "it is not what each expert's output is multiplied by; that is `router_weights`";
const CAP: &str = "it is the bare product, before the bias, scale and soft-cap of some families; take `logits`";

/// Names that look like a site of ours and are not, with the reason.
const REFUSED: &[(&str, &str)] = &[
    ("hook_embed", EMBEDDING),
    ("embed.hook_out", EMBEDDING),
    ("token_embeddings", EMBEDDING),
    ("embed_tokens", EMBEDDING),
    (
        "hook_pos_embed",
        "it is the position's part of the sum alone, for which we have no site; the sum is `embeddings`",
    ),
    ("ln_final.hook_normalized", GAIN),
    ("ln_final.hook_scale", "it is the norm's divisor, for which we have no site"),
    ("unembed.hook_out", CAP),
    ("lm_head", CAP),
    ("next_token_probs", "probabilities are the softmax of `logits`"),
    ("ln1.hook_normalized", GAIN),
    ("ln2.hook_normalized", GAIN),
    ("attn.hook_q", ROTARY),
    ("attn.hook_k", ROTARY),
    ("q_norm_in", ROTARY),
    ("q_norm_out", ROTARY),
    ("k_norm_in", ROTARY),
    ("k_norm_out", ROTARY),
    ("hook_q_input", PER_HEAD),
    ("hook_k_input", PER_HEAD),
    ("hook_v_input", PER_HEAD),
    ("attn.hook_result", PER_HEAD),
    ("hook_attn_in", RELEASES),
    ("hook_mlp_in", RELEASES),
    ("mlp.hook_pre_linear", LINEAR),
    ("mlp_pre", INSIDE),
    ("mlp_pre_linear", LINEAR),
    ("mlp.hook_expert_weights", EXPERTS),
    ("mlp.hook_expert_indices", EXPERTS),
    ("expert_weights", EXPERTS),
    ("expert_indices", EXPERTS),
];

/// Reads a name of another library; `None` when it has the form of none.
pub(super) fn read(text: &str) -> Option<Result<Site, String>> {
    if let Some(rest) = text.strip_prefix("blocks.") {
        let Some((block, hook)) = rest.split_once('.') else { return Some(Err("expected blocks.N.hook_NAME".into())) };
        return Some(named("TransformerLens", TRANSFORMER_LENS, hook, Some(block)));
    }
    if let Some(rest) = text.strip_prefix("Address(") {
        let inside = rest.strip_suffix(')').unwrap_or(rest);
        let (name, block) = inside.split_once(',').map_or((inside, None), |(name, block)| (name, Some(block.trim())));
        let name = name.trim().trim_matches(['"', '\'']);
        if name == "embeddings" {
            return Some(Err(EMBEDDING.to_owned()));
        }
        return Some(named("interp-engine", INTERP_ENGINE, name, block));
    }
    if let Some((accessor, block)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        return Some(named("nnterp", NNTERP, accessor, Some(block)));
    }
    if let Some((_, why)) = REFUSED.iter().find(|(name, _)| *name == text) {
        return Some(Err((*why).to_owned()));
    }
    let outside = [TRANSFORMER_LENS, NNTERP].into_iter().flatten();
    let found = outside.into_iter().find(|(point, name)| !point.in_block() && *name == text);
    found.map(|(point, _)| Ok(Site::new(*point, 0)))
}

/// The site of a library's name, with that library's block number, which counts from 0.
fn named(library: &str, names: Names, name: &str, block: Option<&str>) -> Result<Site, String> {
    let Some((point, _)) = names.iter().find(|(_, known)| *known == name) else {
        return Err(REFUSED.iter().find(|(refused, _)| *refused == name).map_or_else(
            || {
                let known: Vec<_> = names.iter().map(|(_, name)| *name).collect();
                format!(
                    "{library} may know {name}, but no site of ours is known to be the same; known are {}",
                    known.join(", ")
                )
            },
            |(_, why)| (*why).to_owned(),
        ));
    };
    match (point.in_block(), block) {
        (true, Some(block)) => match block.parse::<usize>().ok().and_then(|block| block.checked_add(1)) {
            Some(block) => Ok(Site::new(*point, block)),
            None => Err(format!("the block {block:?} is not a number; {library} counts blocks from 0")),
        },
        (false, None) => Ok(Site::new(*point, 0)),
        (true, None) => Err(format!("{library}'s {name} needs a block")),
        (false, Some(_)) => Err(format!("{library}'s {name} lies outside of the blocks and takes no number")),
    }
}

fn first(names: Names, point: Point) -> Option<&'static str> {
    names.iter().find(|(p, _)| *p == point).map(|(_, name)| *name)
}

impl Site {
    /// The name in TransformerLens, where one means exactly this site on every family.
    pub fn transformer_lens(self) -> Option<String> {
        let name = first(TRANSFORMER_LENS, self.point)?;
        Some(if self.point.in_block() {
            format!("blocks.{}.{name}", self.block.checked_sub(1)?)
        } else {
            name.to_owned()
        })
    }

    /// The accessor in nnterp, where one means exactly this site on every family.
    pub fn nnterp(self) -> Option<String> {
        let name = first(NNTERP, self.point)?;
        Some(if self.point.in_block() { format!("{name}[{}]", self.block.checked_sub(1)?) } else { name.to_owned() })
    }

    /// The address in interp-engine, where one means exactly this site on every family.
    pub fn interp_engine(self) -> Option<String> {
        let name = first(INTERP_ENGINE, self.point)?;
        Some(if self.point.in_block() {
            format!("Address(\"{name}\", {})", self.block.checked_sub(1)?)
        } else {
            format!("Address(\"{name}\")")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites() -> impl Iterator<Item = Site> {
        let at = |point: Point| [1, 2, 40].map(|block| Site::new(point, if point.in_block() { block } else { 0 }));
        Point::NAMES.iter().flat_map(move |(point, _)| at(*point))
    }

    #[test]
    fn every_name_parses_to_its_site_and_prints_back() {
        for site in sites() {
            let names = [Some(site.to_string()), site.transformer_lens(), site.nnterp(), site.interp_engine()];
            for name in names.into_iter().flatten() {
                assert_eq!(name.parse::<Site>().unwrap(), site, "{name}");
            }
        }
        for (point, name) in TRANSFORMER_LENS.iter().filter(|(point, _)| point.in_block()) {
            assert_eq!(format!("blocks.6.{name}").parse::<Site>().unwrap(), Site::new(*point, 7));
        }
    }

    #[test]
    fn libraries_count_blocks_from_zero_and_we_from_one() {
        let say = |text: &str| text.parse::<Site>().unwrap().to_string();
        assert_eq!(say("blocks.0.hook_resid_post"), "resid_post.1");
        assert_eq!(say("blocks.11.hook_out"), "resid_post.12");
        assert_eq!(say("layers_input[0]"), "resid_pre.1");
        assert_eq!(say("Address('value', 7)"), "v.8");
        assert_eq!(say("Address(\"resid_post\", 4)"), "resid_post.5");
        assert_eq!(say("resid_post.4"), "resid_post.4");
        // What the stream receives, and what leaves the module: two tensors where a norm stands between them.
        assert_eq!(say("blocks.3.hook_attn_out"), "attn_out_post.4");
        assert_eq!(say("blocks.3.attn.hook_out"), "attn_out.4");
        assert_eq!(say("attentions_output[3]"), "attn_out.4");
        assert_eq!(say("blocks.3.mlp.hook_pre"), "mlp_gate.4");
        assert_eq!(say("ln_final.output"), "final_norm");
    }

    #[test]
    fn a_near_miss_is_refused_with_the_reason() {
        let why = |text: &str| text.parse::<Site>().unwrap_err().to_string();
        for (text, reason) in [
            ("hook_embed", "bare row of the embedding"),
            ("token_embeddings", "bare row of the embedding"),
            ("Address(\"embeddings\")", "bare row of the embedding"),
            ("hook_pos_embed", "the position's part"),
            ("blocks.2.attn.hook_q", "before rotary embedding"),
            ("blocks.2.ln1.hook_normalized", "before the gain"),
            ("ln_final.hook_normalized", "before the gain"),
            ("blocks.2.hook_mlp_in", "releases of TransformerLens differ"),
            ("blocks.2.mlp.hook_pre_linear", "multiplied by"),
            ("Address(\"mlp_pre\", 2)", "is not known"),
            ("unembed.hook_out", "soft-cap"),
            ("Address(\"lm_head\")", "soft-cap"),
            ("Address(\"expert_weights\", 2)", "router_weights"),
            ("blocks.2.hook_nothing", "known are hook_resid_pre"),
            ("blocks.x.hook_resid_pre", "is not a number"),
            ("layers_output[-1]", "is not a number"),
            ("blocks.2", "expected blocks.N.hook_NAME"),
            ("resid_post.0", "blocks count from 1"),
            ("logits.3", "takes no number"),
            ("resid_post", "needs a block"),
            ("nonsense.2", "unknown point"),
        ] {
            assert!(why(text).contains(reason), "{text}: {}", why(text));
        }
    }
}
