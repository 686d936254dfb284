"""An ECG as a table and a chart: one curve for each lead, one above the other, and findings as stretches of time."""

import numpy as np
import slicer

ECG = "Wetread.ECG"
STEP_MV = 2.0  # between two leads of the chart


def show(scene, path, series: str):
    """A DICOM ECG as nodes.

    :param path: a file with a WaveformSequence.
    :return: the chart node.
    :raises ValueError: no waveform in it.
    """
    import pydicom

    dataset = pydicom.dcmread(path)
    if not dataset.get("WaveformSequence"):
        raise ValueError("No waveform.")
    leads, times, volts = leadsOf(dataset)
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "ECG")
    table.SetAttribute(ECG, series)
    offsets = STEP_MV * np.arange(len(leads))[::-1]
    slicer.util.updateTableFromArray(table, np.column_stack([times, volts + offsets]), ["Time", *leads])
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "ECG")
    chart.SetAttribute(ECG, series)
    chart.SetXAxisTitle("s")
    chart.SetYAxisTitle("mV")
    for lead in leads:
        _curve(scene, chart, table, lead, (0.1, 0.1, 0.1))
    return chart


def mark(scene, chart, findings: list) -> None:
    """Show where the findings of a read lie in time; those that were shown before go."""
    series = chart.GetAttribute(ECG)
    for node in slicer.util.getNodesByClass("vtkMRMLTableNode", scene):
        if node.GetAttribute(ECG) == f"{series} findings":
            scene.RemoveNode(node)
    for node in slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode", scene):
        if node.GetAttribute(ECG) == f"{series} findings":
            chart.RemovePlotSeriesNodeID(node.GetID())
            scene.RemoveNode(node)
    for number, finding in enumerate(one for one in findings if one.get("interval")):
        interval, height = finding["interval"], -STEP_MV * (1 + 0.5 * number)
        table = scene.AddNewNodeByClass("vtkMRMLTableNode", finding["label"])
        ends = np.array([[interval["start_s"], height], [interval["end_s"], height]])
        slicer.util.updateTableFromArray(table, ends, ["Time", finding["label"]])
        color = tuple(value / 255 for value in finding.get("colour") or (255, 120, 0))
        curve = _curve(scene, chart, table, finding["label"], color)
        curve.SetLineWidth(6)
        for node in (table, curve):
            node.SetAttribute(ECG, f"{series} findings")


def leadsOf(dataset) -> tuple:
    """Names of the leads, times in s (samples,) and values in mV (samples, leads) of the first multiplex group."""
    group = dataset.WaveformSequence[0]
    names, factors = [], []
    for channel in group.ChannelDefinitionSequence:
        source = channel.ChannelSourceSequence[0]
        names.append(str(source.get("CodeMeaning") or source.CodeValue).removeprefix("Lead ").strip())
        units = channel.get("ChannelSensitivityUnitsSequence")
        unit = str(units[0].CodeValue) if units else "mV"
        factors.append({"uV": 1e-3, "mV": 1.0, "V": 1e3}.get(unit, 1.0))
    values = dataset.waveform_array(0) * np.array(factors)
    return names, np.arange(len(values)) / float(group.SamplingFrequency), values


def _curve(scene, chart, table, column: str, color: tuple):
    curve = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column)
    curve.SetAndObserveTableNodeID(table.GetID())
    curve.SetXColumnName("Time")
    curve.SetYColumnName(column)
    curve.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    curve.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
    curve.SetColor(color)
    chart.AddAndObservePlotSeriesNodeID(curve.GetID())
    return curve
