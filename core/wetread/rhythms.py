"""What an electrocardiogram can be said to show: rhythm and conduction statements with their SNOMED CT codes.

The codes are those under which the PhysioNet/CinC Challenge 2021 publishes its diagnoses (physionetchallenges/
evaluation-2021 @09de852 and @e3a9eb4, dx_mapping_scored.csv and dx_mapping_unscored.csv). Where pydicom's dictionaries
know a code, its meaning here is the dictionary's; a test holds that. Left out of that list: what an ECG does not show
(heart failure), and 17366009, which it calls a wandering rhythm and the dictionary an atrial arrhythmia. A plain
"normal ECG" has no code in either source and stays words.
"""

from __future__ import annotations

from wetread.terminology import Concept, Modality, Target

ECG_FINDING = Concept("404684003", "SCT", "Finding")
HEART = Concept("80891009", "SCT", "Heart")

Row = tuple[str, str, str, tuple[str, ...]]
"""Label, SNOMED CT code, its meaning, other names."""

_RHYTHM: tuple[Row, ...] = (
    ("sinus rhythm", "426783006", "Sinus rhythm", ("nsr", "normal sinus rhythm", "sinusrhythm")),
    ("sinus bradycardia", "426177001", "Sinus bradycardia", ("sb",)),
    ("sinus tachycardia", "427084000", "Sinus tachycardia", ("stach",)),
    ("sinus arrhythmia", "427393009", "Sinus arrhythmia", ()),
    ("atrial fibrillation", "164889003", "Atrial fibrillation", ("af", "afib", "a fib")),
    ("atrial flutter", "164890007", "Atrial flutter", ("afl",)),
    ("atrial tachycardia", "713422000", "Atrial tachycardia", ("atach",)),
    ("atrial rhythm", "106068003", "Atrial rhythm", ()),
    ("wandering atrial pacemaker", "195101003", "Wandering atrial pacemaker", ("wap",)),
    ("supraventricular tachycardia", "426761007", "Supraventricular tachycardia", ("svt",)),
    (
        "atrioventricular node reentrant tachycardia", "251166008", "Atrioventricular node reentrant tachycardia",
        ("avnrt",),
    ),
    ("atrioventricular reentrant tachycardia", "233897008", "Atrioventricular reentrant tachycardia", ("avrt",)),
    (
        "atrioventricular junctional rhythm", "29320008", "Atrioventricular junctional rhythm",
        ("avjr", "junctional rhythm"),
    ),
    ("accelerated junctional rhythm", "426664006", "Accelerated junctional rhythm", ("ajr",)),
    ("junctional tachycardia", "426648003", "Junctional tachycardia", ("jtach",)),
    ("junctional escape", "426995002", "Junctional escape", ()),
    ("ventricular tachycardia", "164895002", "Ventricular tachycardia", ("vt", "vtach")),
    ("ventricular fibrillation", "164896001", "Ventricular fibrillation", ("vf",)),
    ("ventricular flutter", "111288001", "Ventricular flutter", ("vfl",)),
    ("idioventricular rhythm", "49260003", "Idioventricular rhythm", ()),
    ("accelerated idioventricular rhythm", "61277005", "Accelerated idioventricular rhythm", ("aivr",)),
    ("ventricular escape rhythm", "81898007", "Ventricular escape rhythm", ()),
    ("pacing rhythm", "10370003", "Pacing rhythm", ("paced rhythm",)),
    ("bradycardia", "426627000", "Bradycardia", ()),
)  # fmt: skip
_BEATS: tuple[Row, ...] = (
    (
        "premature atrial contraction", "284470004", "Premature atrial contraction (disorder)",
        ("pac", "premature atrial contractions", "premature atrial complex"),
    ),
    ("supraventricular premature beats", "63593006", "Supraventricular premature beats", ("svpb",)),
    (
        "premature ventricular contractions", "427172004", "Premature ventricular contractions",
        ("pvc", "premature ventricular contraction", "premature ventricular complex"),
    ),
    (
        "ventricular premature beats", "17338001", "Ventricular premature beats (disorder)",
        ("vpb", "ventricular premature beat"),
    ),
    ("ventricular ectopics", "164884008", "Ventricular ectopics", ("veb",)),
    ("junctional premature complex", "251164006", "Junctional premature complex", ()),
    ("atrial bigeminy", "251173003", "Atrial bigeminy", ()),
    ("ventricular bigeminy", "11157007", "Ventricular bigeminy", ()),
    ("ventricular trigeminy", "251180001", "Ventricular trigeminy", ()),
    ("sinus arrest", "5609005", "Sinus arrest", ()),
)  # fmt: skip
_CONDUCTION: tuple[Row, ...] = (
    ("sinoatrial block", "65778007", "Sinoatrial block", ()),
    ("av block", "233917008", "AV block", ("atrioventricular block",)),
    (
        "1st degree av block", "270492004", "First degree Atrioventricular block",
        ("first degree av block", "first-degree av block", "first degree atrioventricular block", "iavb"),
    ),
    (
        "2nd degree av block", "195042002", "Second degree Atrioventricular block",
        ("second degree av block", "second-degree av block"),
    ),
    (
        "mobitz type i wenckebach atrioventricular block", "54016002",
        "Mobitz type I Wenckebach atrioventricular block",
        ("mobitz i", "wenckebach"),
    ),
    ("mobitz type ii atrioventricular block", "426183003", "Mobitz type II atrioventricular block", ("mobitz ii",)),
    (
        "complete heart block", "27885002", "Complete atrioventricular block (disorder)",
        ("third degree av block", "third-degree av block"),
    ),
    ("atrioventricular dissociation", "50799005", "Atrioventricular dissociation", ()),
    ("right bundle branch block", "59118001", "Right bundle branch block", ("rbbb",)),
    ("complete right bundle branch block", "713427006", "Complete right bundle branch block", ("crbbb",)),
    ("incomplete right bundle branch block", "713426002", "Incomplete right bundle branch block", ("irbbb",)),
    ("left bundle branch block", "164909002", "Left bundle branch block", ("lbbb",)),
    ("complete left bundle branch block", "733534002", "Complete left bundle branch block", ("clbbb",)),
    ("incomplete left bundle branch block", "251120003", "Incomplete Left bundle branch block", ("ilbbb",)),
    ("bundle branch block", "6374002", "Bundle branch block", ()),
    ("left anterior fascicular block", "445118002", "Left anterior fascicular block", ("lafb",)),
    ("left posterior fascicular block", "445211001", "Left posterior fascicular block", ("lpfb",)),
    (
        "nonspecific intraventricular conduction disorder", "698252002",
        "Nonspecific intraventricular conduction disorder",
        (),
    ),
    ("ventricular pre excitation", "195060002", "Ventricular pre-excitation", ("ventricular pre-excitation",)),
    (
        "wolff parkinson white pattern", "74390002", "Wolff-Parkinson-White pattern",
        ("wolff-parkinson-white pattern", "wpw"),
    ),
    ("prolonged pr interval", "164947007", "Prolonged PR interval", ()),
    ("shortened pr interval", "49578007", "Shortened PR interval", ()),
    ("prolonged qt interval", "111975006", "Prolonged QT interval", ("long qt",)),
    ("decreased qt interval", "77867006", "Decreased QT interval", ("short qt",)),
)  # fmt: skip
_WAVES: tuple[Row, ...] = (
    ("left axis deviation", "39732003", "Left axis deviation", ()),
    ("right axis deviation", "47665007", "Right axis deviation", ()),
    ("left ventricular hypertrophy", "164873001", "Left ventricular hypertrophy", ("lvh",)),
    ("right ventricular hypertrophy", "89792004", "Right ventricular hypertrophy", ("rvh",)),
    ("left ventricular high voltage", "55827005", "Left ventricular high voltage", ()),
    ("left atrial enlargement", "67741000119109", "Left atrial enlargement", ()),
    ("left atrial abnormality", "253352002", "Left atrial abnormality", ()),
    ("right atrial hypertrophy", "446358003", "Right atrial hypertrophy", ()),
    ("low qrs voltages", "251146004", "Low QRS voltages", ("low voltage",)),
    ("poor r wave progression", "365413008", "Poor R wave progression", ()),
    ("abnormal qrs", "164951009", "Abnormal QRS", ()),
    ("qwave abnormal", "164917005", "Q wave abnormal", ("q wave abnormal",)),
    ("tall p wave", "251223006", "Tall P wave", ()),
)  # fmt: skip
_REPOLARISATION: tuple[Row, ...] = (
    ("t wave abnormal", "164934002", "T wave abnormal", ("t wave abnormality",)),
    ("t wave inversion", "59931005", "T wave inversion", ()),
    ("st depression", "429622005", "ST Depression (observable entity)", ("st segment depression",)),
    ("st elevation", "164931005", "ST elevation (observable entity)", ("st segment elevation",)),
    ("st interval abnormal", "164930006", "ST interval abnormal", ()),
    ("s t changes", "55930002", "S-T changes", ("st changes",)),
    (
        "nonspecific st t abnormality", "428750005", "Nonspecific ST-T abnormality on electrocardiogram (finding)",
        ("nonspecific st-t abnormality",),
    ),
    ("early repolarization", "428417006", "Early repolarization", ()),
    ("myocardial infarction", "164865005", "Myocardial infarction", ("mi",)),
    ("old myocardial infarction", "164867002", "Old myocardial infarction", ()),
    ("acute myocardial infarction", "57054005", "Acute myocardial infarction", ("ami",)),
    ("anterior myocardial infarction", "54329005", "Anterior myocardial infarction", ()),
    ("myocardial ischemia", "164861001", "Myocardial ischemia", ()),
    ("anterior ischemia", "426434006", "Anterior ischemia", ()),
    ("lateral ischaemia", "425623009", "Lateral ischaemia", ("lateral ischemia",)),
    ("inferior ischaemia", "425419005", "Inferior ischaemia", ("inferior ischemia",)),
    ("brugada", "418818005", "Brugada", ("brugada syndrome", "brugada pattern")),
)  # fmt: skip
_COLOURS = (
    (_RHYTHM, (0, 114, 178)), (_BEATS, (213, 94, 0)), (_CONDUCTION, (0, 158, 115)), (_WAVES, (204, 121, 167)),
    (_REPOLARISATION, (230, 159, 0)),
)  # fmt: skip
"""Groups of statements in colour-blind safe colours (Okabe-Ito)."""

RHYTHMS: tuple[Target, ...] = tuple(
    Target(label, Concept(code, "SCT", meaning), ECG_FINDING, HEART, frozenset({Modality.ECG}), names, colour=colour)
    for rows, colour in _COLOURS
    for label, code, meaning, names in rows
)

_BY_NAME = {name: target for target in RHYTHMS for name in target.names()}
_BY_CODE = {target.type.code: target for target in RHYTHMS}


def find_rhythm(name: str) -> Target | None:
    """The statement with this label, synonym or coded meaning (case and space ignored); None where there is none."""
    plain = " ".join(name.lower().split()).strip(" .")
    return _BY_NAME.get(plain) or next((t for t in RHYTHMS if t.type.meaning.lower() == plain), None)


def rhythm_of_code(code: str) -> Target | None:
    """The statement with this SNOMED CT code; what data sets give."""
    return _BY_CODE.get(code.strip())
