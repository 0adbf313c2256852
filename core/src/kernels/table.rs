//! The embedding and the unembedding: rows that are looked up where they lie, and multiplied when logits are wanted.

use std::sync::OnceLock;

use super::linear::{Linear, Workspace};
use crate::{
    Result,
    dtype::Dtype,
    model::stored::{Rows, Stored},
};

/// A matrix `[rows, width]` that is mostly looked up in. Its product is prepared at the first use: who asks for no logits does not
/// pay for the largest matrix of the model.
pub(crate) struct Table {
    rows: Rows,
    compute: Dtype,
    product: OnceLock<Linear>,
}

impl Table {
    /// `compute` is for the product; a row that is looked up is as it is stored.
    pub(crate) fn new(rows: Rows, compute: Dtype) -> Self {
        Self { rows, compute, product: OnceLock::new() }
    }

    /// Numbers of a row.
    pub(crate) fn width(&self) -> usize {
        self.rows.width()
    }

    /// Fails when the file that the rows lie in was written to since.
    pub(crate) fn intact(&self) -> Result<()> {
        self.rows.parts().iter().try_for_each(Stored::intact)
    }

    /// Row `index` as f32.
    pub(crate) fn row(&self, index: usize, out: &mut [f32]) {
        let (stored, from) = self.rows.row(index);
        stored.widen(from, &mut out[..self.rows.width()]);
    }

    /// `y = x rows^T`.
    ///
    /// # Shapes
    /// `x` `[any, width]` to `y` `[any, rows]`.
    pub(crate) fn forward(&self, x: &[f32], y: &mut [f32], workspace: &mut Workspace) {
        let linear = self.product.get_or_init(|| Linear::from_stored(self.rows.clone(), None, self.compute));
        linear.forward(x, y, workspace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_product_are_those_of_the_matrix() {
        let numbers: Vec<f32> = (0..50 * 7).map(|i| ((i * 37 % 101) as f32 - 50.0) / 8.0).collect();
        for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16] {
            // These numbers fit into every format.
            let stored = Stored::from(numbers.clone());
            let stored = if dtype == Dtype::F32 { stored } else { stored.rounded(dtype) };
            let table = Table::new(Rows::new(vec![stored], 7), Dtype::F32);
            let mut y = vec![f32::NAN; 50];
            for index in [0, 31, 49] {
                let mut row = [f32::NAN; 7];
                table.row(index, &mut row);
                assert_eq!(row, numbers[index * 7..][..7]);
                table.forward(&row, &mut y, &mut Workspace::default());
                for (got, other) in y.iter().zip(numbers.chunks(7)) {
                    assert_eq!(*got, row.iter().zip(other).map(|(a, b)| a * b).sum::<f32>());
                }
            }
        }
    }
}
