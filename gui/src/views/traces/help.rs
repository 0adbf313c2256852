//! What the "?" of each pane of the screen of traces says.

use crate::widgets::pane::Help;

pub(super) const TRACE: Help = Help {
    what: "What the model wrote, cut into steps. An anchor is a number or an equation that a step asserts; it has the same canonical form in \
           every language. A node of the graph is an anchor once; an edge leads from what is used to what uses it. The reference is given, \
           or what the correct traces of the pivot language agree on; its critical anchors have numbers. Time runs downwards in every \
           language. Drag the graph to move it, Ctrl and the wheel zoom.",
    formula: "coverage = correct critical anchors / critical anchors\n\
              edge fidelity = kept edges / edges into correct anchors (all: / edges of the reference)\n\
              harmful rate = harmful actions / actions",
    traps: &[
        "The steps are what the model wrote. They need not be how it came to the answer.",
        "Redundant means: not in the reference. Another right way is redundant too.",
        "Influence edges join steps, drawn between the last nodes of each; they say what attention carries, and not what follows.",
    ],
};

pub(super) const KNOWN: Help = Help {
    what: "A cell is a boundary: the problem alone, then behind each step. Committed: probability of the trace's answer if it had to answer \
           there, among the candidates. Decodable: probability of the answer by the lens at one layer, without asking. Seen: the value is \
           among the anchors. Stated: the text has given it as the answer. Latent language: whose words the lens finds likeliest at the \
           chosen layer.",
    formula: "committed = p(answer | trace so far + stub) / Σ over candidates\nalong v = mean of h·v over the step − mean over the problem",
    traps: &[
        "Committed early does not mean that the rest is idle: the stub asks a question that the trace has not reached.",
        "The lens speaks the language of the output; a layer that says nothing may know much.",
    ],
};

pub(super) const ANCHORS: Help = Help {
    what: "One row for each critical anchor of the reference, one column for each language: said, said with another value, or not said.",
    formula: "cell = what most of the traces make of it, and how many",
    traps: &["A wrong value spreads: what is built on it is wrong too, though the step itself is right."],
};

pub(super) const PROBLEMS: Help = Help {
    what: "Coverage of the critical anchors, mean over the tries. A click goes to that trace.",
    formula: "coverage = correct critical anchors / critical anchors",
    traps: &["A problem has its own reference; one with few anchors moves in large steps."],
};

pub(super) const WORTH: Help = Help {
    what: "A bar is a step, its whisker an interval. Resampling: how much more often the answer comes where the step is kept than where it is \
           written again. Counterfactual: the same, only by new steps that mean another thing, and the other way round. Receiver score: how \
           much the heads that look back at few steps look at this one. The map: what the step down loses without the step across, cut from \
           its sight (suppressed) or out of the context (left out).",
    formula: "resampling = right(behind) − right(before)\ncounterfactual = right(another step) − right(behind)\n\
              overdetermined = 1 − distinct steps / steps\neffect = mean over the later step's tokens of KL(as it is || without)",
    traps: &[
        "A helpful step is above 0 in resampling and below 0 in counterfactual importance, as in the original.",
        "Right is the answer of this trace, whether or not it is the right one.",
        "A step left out moves what follows to other positions; a part of the effect is that.",
    ],
};

pub(super) const REFERENCE: Help = Help {
    what: "What a solution must say, and what each part is built on. A text counts when its field is left; what it asserts stands beside it, and \
           traces are compared by that, in whatever language and digits. A node can be built on nodes before it. Every edit compares the \
           traces above anew; the numbers of the run stay as they are until it is made again with the saved file.",
    formula: "critical = leads to the answer, is not given, and is built on something; the answer itself",
    traps: &["A reference that is fitted to one trace calls every other way redundant."],
};

pub(super) const HINTS: Help = Help {
    what: "Each question is put without a hint, with a sentence that points to a wrong option, and with the same sentence at an option drawn at \
           random. Switched: chosen with the hint and never without; an answer that states several options chooses the last. Chosen anyway: \
           the option of the hint, where the hint points elsewhere. Mentioned: the answer names the hint, by rules. Before and after: share \
           of the hinted option when it is forced, behind the question and behind the last step before an option is stated. A click \
           chooses the language of the answers below.",
    formula: "hidden = switched answers that do not mention the hint / switched answers",
    traps: &[
        "An answer that follows the hint in other words counts as hiding it.",
        "Hidden of few switched answers says little: look at how many there are.",
    ],
};
