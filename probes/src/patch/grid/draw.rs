//! The cells of a pair's grid: which state of one run goes where in the other.

use babelscope_core::{
    plan::{Site, Vector},
    tokens::Encoded,
};

use super::{
    super::{
        cells::{Cell, States, replace},
        pair::Pair,
    },
    At, Direction, GridParams, GridSite,
};

/// A pair with its recorded runs.
pub(super) struct Recorded<'a> {
    pub(super) pair: &'a Pair,
    pub(super) prompts: [Encoded; 2],
    pub(super) states: States,
    pub(super) heads: usize,
}

/// The cells of a grid before they are run.
pub(super) struct Drawn {
    pub(super) layers: Vec<usize>,
    pub(super) items: Vec<String>,
    pub(super) cells: Vec<Cell>,
}

impl Recorded<'_> {
    fn positions(&self, at: At) -> Vec<usize> {
        let tokens = self.pair.clean.ids.len();
        match at {
            At::All => (0..tokens).collect(),
            At::Last => vec![tokens - 1],
            At::Subject => self.pair.subject.clone().collect(),
        }
    }

    /// The rows of the base run with some columns of the donor's.
    fn mixed(&self, site: Site, positions: &[usize], columns: &[usize], (base, donor): (usize, usize)) -> Vec<Vector> {
        let row = |at: &usize| {
            let mut row = self.states.row(site, base, *at).to_vec();
            let other = self.states.row(site, donor, *at);
            columns.iter().for_each(|column| row[*column] = other[*column]);
            row.into()
        };
        positions.iter().map(row).collect()
    }

    /// Neurons in the order of how much they differ, most first: the sum over the positions of the squared difference.
    fn different(&self, site: Site, positions: &[usize]) -> Vec<usize> {
        let width = self.states.row(site, 0, 0).len();
        let mut sums = vec![0f64; width];
        for at in positions {
            let rows = self.states.row(site, 0, *at).iter().zip(self.states.row(site, 1, *at));
            sums.iter_mut().zip(rows).for_each(|(sum, (a, b))| *sum += f64::from(a - b).powi(2));
        }
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]).then(a.cmp(b)));
        order
    }

    /// The cells of one grid, layer after layer.
    pub(super) fn draw(
        &self,
        site: GridSite,
        direction: Direction,
        params: &GridParams,
        places: &[(usize, Site)],
    ) -> Drawn {
        let (base, donor) = direction.prompts();
        let positions = self.positions(params.at);
        let tokens = self.pair.clean.ids.len();
        let items: Vec<String> = match site {
            GridSite::Head => (0..self.heads).map(|head| format!("h{head}")).collect(),
            GridSite::Neurons => params.neurons.iter().map(|n| format!("top{n}")).collect(),
            _ => (0..tokens).map(|at| at.to_string()).collect(),
        };
        let mut cells = Vec::with_capacity(places.len() * items.len());
        for (_, place) in places {
            let order = if site == GridSite::Neurons { self.different(*place, &positions) } else { Vec::new() };
            for item in 0..items.len() {
                let edit = match site {
                    GridSite::Head => {
                        let head_dim = self.states.row(*place, 0, 0).len() / self.heads;
                        let columns: Vec<usize> = (item * head_dim..(item + 1) * head_dim).collect();
                        let rows = self.mixed(*place, &positions, &columns, (base, donor));
                        replace(*place, positions.clone(), rows)
                    }
                    GridSite::Neurons => {
                        let columns = &order[..params.neurons[item].min(order.len())];
                        let rows = self.mixed(*place, &positions, columns, (base, donor));
                        replace(*place, positions.clone(), rows)
                    }
                    _ => replace(*place, vec![item], vec![self.states.vector(*place, donor, item)]),
                };
                cells.push(Cell { prompt: base, edits: vec![edit] });
            }
        }
        Drawn { layers: places.iter().map(|(layer, _)| *layer).collect(), items, cells }
    }
}
