r"""From a Waveform and a question to a Read: the ECG's soft token into the prompt, the answer parsed and coded.

The answer has the form of every other (`model.answers`): reasoning, objects as JSON, diagnoses in ``\boxed{}``. An
object of an ECG is ``{"label": "...", "interval_s": [start, end], "leads": ["II", "V1"]}``, seconds from the start of
the recording; interval and leads may be left out. Labels are coded by `rhythms`; what has no code stays words. Presence
is the geometric mean of the probabilities with which the model wrote the label; it is not calibrated. A finding is
called grounded only where the same words become less likely once the ECG is blanked (`GROUNDED_RATIO`).

A model without an ECG encoder has its ECGs read by the rhythm network that ships for it (`rhythms`), and abstains where
there is none. The read names the network that made it.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wetread import __version__, uids
from wetread.errors import ReadCancelled
from wetread.findings import Finding, Interval, Provenance, Read
from wetread.model.answers import parse_answer
from wetread.model.ecg_answer import INSTRUCTION, EcgObject, ecg_objects
from wetread.model.rhythm_network import rhythm_model
from wetread.reading.coverage import modality_gap
from wetread.reading.rhythms import read_rhythm
from wetread.rhythms import find_rhythm

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from wetread.imaging.waveform import Waveform
    from wetread.model.checkpoint import ModelInfo
    from wetread.model.loaded import LoadedModel
    from wetread.model.rhythm_network import RhythmModel
    from wetread.reading.rhythms import RhythmRead
    from wetread.terminology import Target

INTERPRET = "Interpret this electrocardiogram."
LONGEST_ANSWER = 512
GROUNDED_RATIO = 0.9
"""A label whose probability without the ECG is more than this share of that with it does not come from the ECG."""
_NOTHING = frozenset({"none", "not covered"})
_ONE_AT_A_TIME = threading.Lock()
"""The soft tokens of two reads must not meet in one embedding."""


@dataclass(frozen=True, slots=True)
class EcgWords:
    """An answer about an ECG as it was written.

    Args:
        text: decoded, special tokens removed.
        prompt_tokens: of the prompt.
        seen: the answer's token ids.
        probabilities: of each token when it was written.
        blanked: of the same tokens had the ECG been blank.
        ends: length of the text up to and including each token.
        finished: False where the answer ran into its limit.
    """

    text: str
    prompt_tokens: int
    seen: tuple[int, ...]
    probabilities: tuple[float, ...]
    blanked: tuple[float, ...]
    ends: tuple[int, ...]
    finished: bool

    def surety(self, label: str) -> tuple[float, float]:
        """Geometric mean probability of the tokens of the last mention of a label, with the ECG and without it."""
        start = self.text.lower().rfind(label.lower())
        if start < 0:
            return 0.0, 0.0
        end = start + len(label)
        begins = (0, *self.ends[:-1])
        tokens = [i for i, (b, e) in enumerate(zip(begins, self.ends, strict=True)) if b < end and e > start]
        return _mean([self.probabilities[i] for i in tokens]), _mean([self.blanked[i] for i in tokens])


@dataclass(frozen=True, slots=True)
class EcgRead:
    """What was made of an ECG, before it becomes a Read."""

    reasoning: str
    findings: tuple[Finding, ...]
    diagnoses: tuple[str, ...]
    abstention: str | None
    answer: str
    remarks: tuple[str, ...]
    prompt_tokens: int = 0
    answer_tokens: int = 0


def read_waveform(
    info: ModelInfo,
    load: Callable[[], LoadedModel],
    seed: int,
    waveform: Waveform,
    question: str | None,
    tell: Callable[[str, float, str], None],
    cancel: threading.Event | None,
) -> Read:
    """The Read of an ECG; the weights of a model without an encoder for it are not loaded.

    Args:
        info: of the model.
        load: gives the model in memory; called only where it can read an ECG.
        seed: kept in the provenance.
        waveform: what to read.
        question: in words; `INTERPRET` when None.
        tell: stage, progress from 0 to 1, and the new piece of the answer.
        cancel: set it to stop; checked at every token.

    Raises:
        ReadCancelled: `cancel` was set.
        ModelUnavailable: the weights do not load.
    """
    began, asked = time.monotonic(), (question or "").strip() or INTERPRET
    device: ModelInfo | RhythmModel = info
    why = abstention(info, waveform)
    network = rhythm_model(info.name) if why is not None else None
    if network is not None:
        tell("looking", 0.1, "")
        device, made = network, _of_network(read_rhythm(network, waveform), network)
    elif why is not None:
        made = EcgRead("", (), (), why, "", ())
    else:
        tell("loading", 0.0, "")
        loaded = load()
        tell("looking", 0.1, "")
        made = interpret(loaded, waveform, asked, lambda piece: tell("writing", 0.5, piece), cancel)
    tell("done", 1.0, "")
    created = datetime.now(UTC)
    source = waveform.source.sop_instance_uid
    parts = (device.device_uid, f"{source}@{waveform.start_s:g}", asked, str(seed), created.isoformat())
    uid = uids.derived(uids.READS, "|".join(parts))
    findings = (replace(f, tracking_uid=uids.derived(uids.READS, f"{uid}|{n}")) for n, f in enumerate(made.findings))
    provenance = Provenance(
        model=device.name, model_version=device.version, weights_sha256=device.weights_sha256,
        device_uid=device.device_uid, wetread_version=__version__, seed=seed, prompt_tokens=made.prompt_tokens,
        answer_tokens=made.answer_tokens, seconds=time.monotonic() - began, created=created,
    )  # fmt: skip
    return Read(uid, asked, made.reasoning, tuple(findings), made.diagnoses, made.abstention, made.answer, provenance,
                made.remarks)  # fmt: skip


def _of_network(read: RhythmRead, network: RhythmModel) -> EcgRead:
    """The network's read in the form of every other."""
    learned = ", ".join(statement.label for statement in network.statements)
    remarks = (f"{network.name} can name only: {learned}",) if read.abstention is None else ()
    labels = tuple(finding.label for finding in read.findings)
    return EcgRead(read.words, read.findings, labels, read.abstention, read.words, remarks)


def abstention(info: ModelInfo, waveform: Waveform) -> str | None:
    """Why this model gives no interpretation of an ECG, in words; None where it can."""
    if modality_gap(info, waveform) is None and info.ecg:
        return None
    return f"{info.name} has no ECG encoder and was not trained on ECG."


def interpret(
    loaded: LoadedModel,
    waveform: Waveform,
    question: str,
    on_text: Callable[[str], None],
    cancel: threading.Event | None,
) -> EcgRead:
    """Ask a model with an ECG encoder about a waveform.

    Args:
        loaded: with `ecg`.
        waveform: what to read.
        question: in words.
        on_text: told every new piece of the answer.
        cancel: checked at every token.

    Raises:
        ReadCancelled: `cancel` was set.
    """
    words = write(loaded, waveform, f"Modality: ECG. {question.strip()}\n{INSTRUCTION}", on_text, cancel)
    answer = parse_answer(words.text)
    remarks = [] if words.finished else ["the answer ran into its length limit"]
    if answer.abstained:
        return EcgRead(answer.reasoning, (), (), answer.reasoning or "the model does not cover it", words.text,
                       tuple(remarks), words.prompt_tokens, len(words.seen))  # fmt: skip
    objects, defects = ecg_objects(words.text)
    remarks += defects
    diagnoses = tuple(d for d in dict.fromkeys(answer.diagnoses) if d.lower() not in _NOTHING)
    if not answer.diagnoses:
        remarks.append("no \\boxed{} diagnosis was written")
    findings = _findings(objects, diagnoses, waveform, words, remarks)
    return EcgRead(answer.reasoning, tuple(findings), diagnoses, None, words.text, tuple(remarks),
                   words.prompt_tokens, len(words.seen))  # fmt: skip


def _findings(
    objects: tuple[EcgObject, ...], diagnoses: tuple[str, ...], waveform: Waveform, words: EcgWords, remarks: list[str]
) -> list[Finding]:
    """Marked findings first, then the diagnoses that were not marked."""
    findings: list[Finding] = []
    for item in objects:
        target = _target(item.label, remarks)
        if target is not None:
            findings.append(_finding(target, item.label, _interval(item, waveform, remarks), words, remarks))
    marked = {finding.target for finding in findings}
    for label in diagnoses:
        target = _target(label, remarks)
        if target is not None and target not in marked:
            findings.append(_finding(target, label, None, words, remarks))
            marked.add(target)
    return findings


def _target(label: str, remarks: list[str]) -> Target | None:
    target = find_rhythm(label)
    said = f"the model named {label!r}, which has no code here; it stays in words"
    if target is None and said not in remarks:
        remarks.append(said)
    return target


def _finding(target: Target, label: str, interval: Interval | None, words: EcgWords, remarks: list[str]) -> Finding:
    surety, without = words.surety(label)
    grounded = without < GROUNDED_RATIO * surety
    if not grounded:
        remarks.append(f"{target.label}: as likely without the ECG ({without:.2f}) as with it ({surety:.2f}); "
                       "not tied to the waveform")  # fmt: skip
    return Finding(target, "", min(max(surety, 0.0), 1.0), 0, grounded=grounded, interval=interval)


def _interval(item: EcgObject, waveform: Waveform, remarks: list[str]) -> Interval | None:
    """The interval within what was read and on leads that there are; None where the model gave none or nothing fits."""
    if item.interval_s is None:
        return None
    begins, ends = waveform.start_s, waveform.start_s + waveform.seconds
    start, end = max(item.interval_s[0], begins), min(item.interval_s[1], ends)
    if end <= start:
        remarks.append(f"{item.label}: the interval {item.interval_s[0]:g} to {item.interval_s[1]:g} s lies outside "
                       "what was read; it was left out")  # fmt: skip
        return None
    there = tuple(lead for lead in item.leads if waveform.lead(lead) is not None)
    if len(there) < len(item.leads):
        remarks.append(f"{item.label}: marked on leads that were not recorded; those were left out")
    return Interval(start, end, there or waveform.leads)


def write(
    loaded: LoadedModel,
    waveform: Waveform,
    text: str,
    on_text: Callable[[str], None],
    cancel: threading.Event | None,
    longest: int = LONGEST_ANSWER,
) -> EcgWords:
    """Write the answer greedily, with the probability of every token; then weigh it again with the ECG blanked.

    Raises:
        ReadCancelled: `cancel` was set.
        ModelUnavailable: the tokenizer has no token for an ECG.
    """
    import torch

    from wetread.model.ecg import soft_tokens, token_id

    tower = loaded.ecg
    assert tower is not None
    marker = token_id(loaded.tokenizer, tower.settings.token)
    prompt = loaded.prompt(text, loaded.encode([]), waveforms=1)
    seen: list[int] = []
    probabilities: list[float] = []
    ends: list[int] = []
    written, finished = "", False
    with torch.inference_mode(), _ONE_AT_A_TIME:
        with soft_tokens(loaded.backbone, marker, tower.embed(waveform)):
            cache, ids = None, torch.tensor([prompt], device=loaded.device)
            while len(seen) < longest:
                if cancel is not None and cancel.is_set():
                    raise ReadCancelled("The read was cancelled; nothing was written.")
                out = loaded.backbone(input_ids=ids, position_ids=_positions(ids, len(prompt) + len(seen)),
                                      past_key_values=cache, use_cache=True, logits_to_keep=1)  # fmt: skip
                cache, logits = out.past_key_values, out.logits[0, -1].float()
                logits[marker] = -torch.inf  # the place of an ECG is no word of an answer
                token = int(logits.argmax())
                if token in loaded.ends:
                    finished = True
                    break
                seen.append(token)
                probabilities.append(float(logits.softmax(0)[token]))
                whole = loaded.tokenizer.decode(seen, skip_special_tokens=True)
                if not whole.endswith("\ufffd"):  # half a character: wait for the rest
                    on_text(whole[len(written) :])
                    written = whole
                ends.append(len(written))
                ids = torch.tensor([[token]], device=loaded.device)
        blanked: list[float] = []
        if seen:
            with soft_tokens(loaded.backbone, marker, tower.blank(waveform)):
                ids = torch.tensor([[*prompt, *seen]], device=loaded.device)
                out = loaded.backbone(input_ids=ids, position_ids=_positions(ids, ids.shape[1]), use_cache=False,
                                      logits_to_keep=len(seen) + 1)  # fmt: skip
            likely = out.logits[0, :-1].float().softmax(-1)
            blanked = likely[torch.arange(len(seen)), torch.tensor(seen, device=likely.device)].tolist()
    return EcgWords(written, len(prompt), tuple(seen), tuple(probabilities), tuple(blanked), tuple(ends), finished)


def _positions(ids: torch.Tensor, total: int) -> torch.Tensor:
    """M-RoPE positions of words alone, (3, 1, S): one count on all three axes, given so that no state is kept."""
    import torch

    return torch.arange(total - ids.shape[1], total, device=ids.device).expand(3, 1, -1)


def _mean(probabilities: list[float]) -> float:
    if not probabilities:
        return 0.0
    return math.exp(sum(math.log(max(p, 1e-12)) for p in probabilities) / len(probabilities))
