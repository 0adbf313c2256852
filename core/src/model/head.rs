//! From the states behind the last block to logits.

use super::{
    Config,
    config::{Activation, Head as Kind},
    parts::HeadParts,
};
use crate::kernels::{
    activation::activate,
    linear::{Linear, Workspace, product},
    norm::Norm,
};

pub(crate) struct Head {
    kind: Kind,
    /// From the stream's width to the embedding's.
    project: Option<Linear>,
    dense: Option<(Linear, Norm)>,
    /// `[vocabulary, embedding_width]`; `None` when it is the embedding.
    own: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    activation: Activation,
    scale: f32,
    cap: Option<f32>,
    vocabulary: usize,
}

impl Head {
    pub(super) fn new(config: &Config, project: Option<Linear>, parts: HeadParts) -> Self {
        let HeadParts { dense, own, bias } = parts;
        Self {
            kind: config.head,
            project,
            dense: dense.map(|(dense, norm)| (super::load::linear(dense), norm)),
            own: own.map(|matrix| matrix.weight),
            bias,
            activation: config.activation,
            scale: config.logit_scale,
            cap: config.logit_cap,
            vocabulary: config.vocabulary,
        }
    }

    /// Whether there is a vocabulary to speak of.
    pub(super) fn exists(&self) -> bool {
        self.kind != Kind::None
    }

    /// # Shapes
    /// `states` `[rows, width]` behind the final norm, `embedding` `[vocabulary, embedding_width]`, `logits`
    /// `[rows, vocabulary]`.
    pub(super) fn forward(&self, states: &[f32], width: usize, embedding: &[f32], logits: &mut [f32]) {
        let rows = states.len() / width;
        let mut workspace = Workspace::default();
        let (mut held, projected);
        let mut states = states;
        if let Some((dense, norm)) = &self.dense {
            let mut up = vec![0.0; states.len()];
            dense.forward(states, &mut up, &mut workspace);
            held = vec![0.0; states.len()];
            activate(self.activation, false, &up, width, &mut held);
            norm.in_place(&mut held);
            states = &held;
        }
        let matrix = self.own.as_deref().unwrap_or(embedding);
        let inputs = matrix.len() / self.vocabulary;
        if let Some(project) = &self.project {
            let mut narrow = vec![0.0; rows * inputs];
            project.forward(states, &mut narrow, &mut workspace);
            projected = narrow;
            states = &projected;
        }
        product(states, matrix, inputs, self.vocabulary, logits);
        for logits in logits.chunks_exact_mut(self.vocabulary) {
            if let Some(bias) = &self.bias {
                logits.iter_mut().zip(bias).for_each(|(logit, bias)| *logit += bias);
            }
            if self.scale != 1.0 {
                logits.iter_mut().for_each(|logit| *logit *= self.scale);
            }
            if let Some(cap) = self.cap {
                logits.iter_mut().for_each(|logit| *logit = (*logit / cap).tanh() * cap);
            }
        }
    }
}
