//! From the states behind the last block to logits.

use super::{
    Config,
    config::{Activation, Head as Kind},
    load::{linear, table},
    parts::{HeadParts, Matrix},
};
use crate::{
    Error, Result,
    dtype::Dtype,
    kernels::{
        activation::activate,
        linear::{Linear, Workspace},
        norm::Norm,
        table::Table,
    },
};

pub(crate) struct Head {
    kind: Kind,
    /// From the stream's width to the embedding's.
    pub(super) project: Option<Linear>,
    dense: Option<(Linear, Norm)>,
    /// `[vocabulary, embedding_width]`; `None` when it is the embedding.
    pub(super) own: Option<Table>,
    pub(super) bias: Option<Vec<f32>>,
    activation: Activation,
    pub(super) scale: f32,
    pub(super) cap: Option<f32>,
    vocabulary: usize,
}

impl Head {
    pub(super) fn new(config: &Config, project: Option<Matrix>, parts: HeadParts, compute: Dtype) -> Result<Self> {
        let HeadParts { dense, own, bias } = parts;
        Ok(Self {
            kind: config.head,
            project: project.map(|matrix| linear(matrix, compute)).transpose()?,
            dense: dense.map(|(dense, norm)| Ok::<_, Error>((linear(dense, compute)?, norm))).transpose()?,
            own: own.map(|matrix| table(matrix, compute)).transpose()?,
            bias,
            activation: config.activation,
            scale: config.logit_scale,
            cap: config.logit_cap,
            vocabulary: config.vocabulary,
        })
    }

    /// Whether there is a vocabulary to speak of.
    pub(super) fn exists(&self) -> bool {
        self.kind != Kind::None
    }

    /// # Shapes
    /// `states` `[rows, width]` behind the final norm, `embedding` `[vocabulary, embedding_width]`, `logits`
    /// `[rows, vocabulary]`.
    pub(super) fn forward(
        &self,
        states: &[f32],
        width: usize,
        embedding: &Table,
        logits: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let rows = states.len() / width;
        let (mut held, projected);
        let mut states = states;
        if let Some((dense, norm)) = &self.dense {
            let mut up = vec![0.0; states.len()];
            dense.forward(states, &mut up, workspace);
            held = vec![0.0; states.len()];
            activate(self.activation, false, &up, width, &mut held);
            norm.in_place(&mut held);
            states = &held;
        }
        let matrix = self.own.as_ref().unwrap_or(embedding);
        let inputs = matrix.width();
        if let Some(project) = &self.project {
            let mut narrow = vec![0.0; rows * inputs];
            project.forward(states, &mut narrow, workspace);
            projected = narrow;
            states = &projected;
        }
        matrix.forward(states, logits, workspace);
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
