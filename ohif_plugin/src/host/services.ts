/** The little of OHIF and Cornerstone that the plugin uses, written down by hand: npm has no types of either host. */

export type Vector3 = [number, number, number];
export type Point2 = [number, number];

export interface DisplaySet {
  displaySetInstanceUID: string;
  SeriesInstanceUID: string;
  StudyInstanceUID: string;
  Modality: string;
  imageIds?: string[];
  unsupported?: boolean;
}

export interface Annotation {
  annotationUID: string;
  invalidated?: boolean;
  highlighted?: boolean;
  isLocked?: boolean;
  isVisible?: boolean;
  metadata: { toolName: string; FrameOfReferenceUID?: string; referencedImageId?: string; [more: string]: unknown };
  data: { label?: string; text?: string; handles: { points: Vector3[]; [more: string]: unknown }; [more: string]: unknown };
}

export interface Viewport {
  id: string;
  element: HTMLDivElement;
  viewportStatus?: string;
  render(): void;
  getCurrentImageId?(): string | undefined;
  getImageIds?(): string[];
  setImageIdIndex?(index: number): Promise<unknown> | void;
  jumpToWorld?(point: Vector3): void;
}

export interface Cornerstone {
  eventTarget: EventTarget;
  metaData: { get(kind: string, imageId: string): Record<string, unknown> | undefined };
  getRenderingEngines(): { getViewports(): Viewport[]; getViewport(id: string): Viewport | undefined }[] | undefined;
  cache: { getImage(imageId: string): CachedImage | undefined };
  utilities: {
    imageToWorldCoords(imageId: string, point: Point2): Vector3 | undefined;
    worldToImageCoords(imageId: string, point: Vector3): Point2 | undefined;
  };
}

export interface CachedImage {
  width: number;
  height: number;
  voxelManager?: { getScalarData(): ArrayLike<number> & { set?(values: ArrayLike<number>): void }; setScalarData?(values: ArrayLike<number>): void };
}

export interface CornerstoneTools {
  Enums: { Events: Record<string, string>; SegmentationRepresentations: { Labelmap: string } };
  annotation: {
    state: {
      addAnnotation(annotation: Annotation, group: HTMLDivElement): string;
      getAnnotation(uid: string): Annotation | undefined;
      getAllAnnotations(): Annotation[];
      removeAnnotation(uid: string): void;
    };
    selection: { setAnnotationSelected(uid: string, selected: boolean, preserve?: boolean): void };
    config: { style: { setAnnotationStyles(uid: string, styles: Record<string, unknown>): void } };
  };
  segmentation: {
    triggerSegmentationEvents: { triggerSegmentationDataModified(segmentationId: string): void };
    state: { getSegmentation(id: string): Segmentation | undefined };
  };
}

export interface Segmentation {
  segmentationId: string;
  representationData: { Labelmap?: { imageIds?: string[]; referencedImageIds?: string[] } };
}

export interface Subscription { unsubscribe(): void }

export interface PubSub {
  EVENTS: Record<string, string>;
  subscribe(event: string, callback: (data: never) => void): Subscription;
}

export interface Services {
  userAuthenticationService: { getAuthorizationHeader(): Record<string, string> | undefined };
  displaySetService: PubSub & {
    getActiveDisplaySets(): DisplaySet[];
    getDisplaySetByUID(uid: string): DisplaySet | undefined;
  };
  viewportGridService: PubSub & {
    getState(): { activeViewportId: string | null; viewports: Map<string, { displaySetInstanceUIDs?: string[] }> };
    getActiveViewportId(): string | null;
  };
  cornerstoneViewportService: { getCornerstoneViewport(viewportId: string): Viewport | null };
  segmentationService: {
    createLabelmapForDisplaySet(displaySet: DisplaySet, options: {
      segmentationId: string; label: string; segments: Record<number, { label: string; active?: boolean; segmentIndex?: number }>;
    }): Promise<string>;
    addSegmentationRepresentation(viewportId: string, given: { segmentationId: string; type?: string }): Promise<unknown>;
    setSegmentColor(viewportId: string, segmentationId: string, index: number, colour: number[]): void;
    setActiveSegment?(segmentationId: string, index: number): void;
    jumpToSegmentCenter?(segmentationId: string, index: number): void;
    remove?(segmentationId: string): void;
    getSegmentation(segmentationId: string): unknown;
  };
  uiNotificationService?: { show(note: { title: string; message: string; type: string; duration?: number }): void };
}

export interface DataSource {
  getImageIdsForDisplaySet(displaySet: DisplaySet): string[];
  deleteStudyMetadataPromise?(key: string): void;
  retrieve: { series: { metadata(query: { StudyInstanceUID: string; filters?: Record<string, string> }): Promise<unknown> } };
}

export interface Host {
  servicesManager: { services: Services };
  commandsManager: { runCommand(name: string, options?: Record<string, unknown>): unknown };
  extensionManager: { getActiveDataSource(): DataSource[]; getActiveDataSourceDefinition?(): { sourceName: string } };
  appConfig?: { wetread?: { url?: string } };
}

declare global {
  interface Window {
    cornerstone?: Cornerstone;
    cornerstoneTools?: CornerstoneTools;
    config?: unknown;
  }
}
