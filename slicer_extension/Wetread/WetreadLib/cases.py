"""Which study is looked at: the next of the worklist, one that is open, and how its images get into the scene.

A series is taken from the scene, else from Slicer's DICOM database, else from the server's archive.
"""

import tempfile

from slicer.i18n import tr as _

from . import waveforms
from .client import ServiceError
from .transfers import download, upload
from .volumes import uidsOf, volumeOf

STRATEGIES = ("oldest", "newest", "random", "uncertainty", "disagreement", "representative", "mixed")
ECG_CLASSES = "1.2.840.10008.5.1.4.1.1.9."


class Cases:
    """Opens cases in a session.

    :param session: that shows them.
    :param application: where images come from and go to, see ``application.Application``.
    """

    def __init__(self, session, application):
        self._session, self._application = session, application
        self.isBusy = False

    def next(self, strategy: str) -> None:
        """Open the next case of the worklist; the present one is given back where nothing was decided on it."""
        session, client, another = self._session, self._session.client, bool(self._session.series)
        if not session.canSend or self.isBusy:
            return

        def done(case):
            self.isBusy = False
            if case is None:
                session.notice = _("The worklist is empty.")
                session.onChange()
            else:
                self.open(case["study_uid"], case["series_uid"])

        self._run(lambda: client.post("/worklist/next", {"strategy": strategy, "another": another}), done)

    def open(self, study: str, series: str) -> None:
        """Turn to a series, wherever its images are."""
        session, application, client = self._session, self._application, self._session.client
        if volumeOf(session.scene, series) is None and application.filesOf(series):
            application.load(series)
        node = volumeOf(session.scene, series)
        if node is not None:
            application.showVolume(node)
            session.open(node)
            return
        folder = tempfile.TemporaryDirectory(prefix="wetread-")

        def told(count):
            session.notice = _("Fetching the images: {count} so far.").format(count=count)
            session.onChange()

        def done(paths):
            self.isBusy = False
            session.notice = ""
            with folder:
                self._take(study, series, folder.name, paths)

        tell = session.background.tell
        self._run(lambda: download(client, study, series, folder.name, lambda count: tell(told, count)), done)

    def _take(self, study: str, series: str, folder: str, paths: list) -> None:
        import pydicom

        session, application = self._session, self._application
        kind = pydicom.dcmread(paths[0], stop_before_pixels=True).SOPClassUID
        if str(kind).startswith(ECG_CLASSES):
            application.showChart(waveforms.show(session.scene, paths[0], series))
            session.openUids(study, series)
            return
        application.importFolder(folder)
        application.load(series)
        node = volumeOf(session.scene, series)
        if node is None:
            session.say(_("Slicer has no volume for this series."))
            return
        application.showVolume(node)
        session.open(node)

    def send(self, volumeNode) -> None:
        """Store the series of a volume in the server's archive, from Slicer's DICOM database."""
        session, client = self._session, self._session.client
        try:
            _study, series = uidsOf(volumeNode, session.scene)
        except ValueError as error:
            session.say(error)
            return
        paths = self._application.filesOf(series)
        if not paths:
            session.say(_("The files of this series are not in Slicer's DICOM database."))
            return

        def told(count):
            session.notice = _("Sending the images: {count} of {total}.").format(count=count, total=len(paths))
            session.onChange()

        def done(count):
            self.isBusy = False
            session.notice = _("{count} images are in the server's archive.").format(count=count)
            session.open(volumeNode)

        tell = session.background.tell
        self._run(lambda: upload(client, paths, lambda count: tell(told, count)), done)

    def loadSigned(self) -> None:
        """Fetch what was signed into Slicer's DICOM database, and load its SEG."""
        session, client, study = self._session, self._session.client, self._session.study
        objects = [one for one in session.decisions.stored if one["state"] == "stored"]
        folder = tempfile.TemporaryDirectory(prefix="wetread-")

        def fetch():
            for one in objects:
                download(client, study, one["series_uid"], f"{folder.name}/{one['kind']}-{one['sop_instance_uid']}")

        def done(_nothing):
            self.isBusy = False
            with folder:
                self._application.importFolder(folder.name)
            for one in objects:
                if one["kind"] == "SEG":
                    self._application.load(one["series_uid"])
            session.notice = _("What was signed is in Slicer's DICOM database.")
            session.onChange()

        self._run(fetch, done)

    def _run(self, work, done) -> None:
        if self.isBusy:
            return
        self.isBusy = True

        def failed(error):
            self.isBusy = False
            if isinstance(error, ServiceError) and error.trouble == "refused" and not error.said:
                error = ServiceError("refused", _("the archive does not take part in this."))
            self._session.say(error)

        self._session.background.run(work, done, failed)
        self._session.onChange()
